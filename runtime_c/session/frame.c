#include "frame.h"

/* Reads a little-endian integer. */
uint32_t tvm_tiny_session_get(const uint8_t* bytes, uint32_t count) {
  uint32_t value = 0;
  while (count-- > 0u) {
    value = (value << 8) | bytes[count];
  }
  return value;
}

/* Writes a little-endian integer of four bytes. */
void tvm_tiny_session_put(uint8_t* bytes, uint32_t value) {
  uint32_t i;
  for (i = 0; i < 4u; i++) {
    bytes[i] = (uint8_t)(value & 0xffu);
    value >>= 8;
  }
}

/* Computes a CRC four bits at a time, with a table of 64 bytes in place of 1024. */
uint32_t tvm_tiny_session_crc(uint32_t crc, const void* data, uint32_t bytes) {
  static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu,
                                     0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
                                     0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                     0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  const uint8_t* at = (const uint8_t*)data;
  crc = ~crc;
  while (bytes-- > 0u) {
    crc ^= *at++;
    crc = (crc >> 4) ^ table[crc & 15u];
    crc = (crc >> 4) ^ table[crc & 15u];
  }
  return ~crc;
}

/* Appends a byte to the frame that is being received. */
static void append(struct tvm_tiny_session_receiver* receiver, uint8_t byte) {
  if (receiver->length < TVM_TINY_SESSION_FRAME) {
    receiver->frame[receiver->length++] = byte;
  } else {
    receiver->broken = 1;
  }
}

/* Undoes COBS for one byte. */
int tvm_tiny_session_take(struct tvm_tiny_session_receiver* receiver, uint8_t byte) {
  if (byte == 0u) {
    return 1;
  }
  if (receiver->block > 0u) {
    append(receiver, byte);
    receiver->block--;
    return 0;
  }
  if (receiver->zero != 0u) {
    append(receiver, 0);
  }
  receiver->block = (uint8_t)(byte - 1u);
  receiver->zero = byte != 0xffu;
  return 0;
}

uint32_t tvm_tiny_session_check(struct tvm_tiny_session_receiver* receiver, uint32_t* damaged) {
  const uint32_t length = receiver->length;
  const int nothing = length == 0u && receiver->block == 0u && receiver->zero == 0u;
  int whole = receiver->broken == 0u && receiver->block == 0u &&
              length >= FRAME_DATA + FRAME_CHECKSUM_BYTES;
  receiver->length = 0;
  receiver->block = 0;
  receiver->zero = 0;
  receiver->broken = 0;
  if (whole) {
    const uint32_t end = length - FRAME_CHECKSUM_BYTES;
    if (tvm_tiny_session_crc(0, receiver->frame, end) ==
        tvm_tiny_session_get(&receiver->frame[end], FRAME_CHECKSUM_BYTES)) {
      return end;
    }
  }
  if (!nothing) {
    ++*damaged;
  }
  return 0;
}

/* The zero before the frame ends whatever noise the line has had since the last one. */
void tvm_tiny_session_send(const struct tvm_tiny_session_port* port, uint8_t* frame,
                           uint32_t length) {
  static const uint8_t zero = 0;
  uint32_t at = 0;
  tvm_tiny_session_put(&frame[length], tvm_tiny_session_crc(0, frame, length));
  length += FRAME_CHECKSUM_BYTES;
  port->write(port->context, &zero, 1);
  for (;;) {
    uint32_t end = at;
    uint8_t code;
    while (end < length && end - at < 254u && frame[end] != 0u) {
      end++;
    }
    code = (uint8_t)(end - at + 1u);
    port->write(port->context, &code, 1);
    if (end > at) {
      port->write(port->context, &frame[at], end - at);
    }
    if (end == length) {
      break;
    }
    at = code == 0xffu ? end : end + 1u;
  }
  port->write(port->context, &zero, 1);
}
