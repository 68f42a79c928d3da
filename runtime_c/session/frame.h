/* Frames: COBS between zero bytes, with a CRC-32 at the end. */
#ifndef TVM_TINY_SESSION_FRAME_H
#define TVM_TINY_SESSION_FRAME_H

#include "tvm_tiny/session.h"

/* Places in a frame: of every frame, then of answers. */
enum {
  FRAME_SESSION = 0,
  FRAME_SEQUENCE = 4,
  FRAME_KIND = 8,
  FRAME_DATA = 9,
  FRAME_STATUS = 9,
  FRAME_RESULT = 13,
  FRAME_CHECKSUM_BYTES = 4
};

/* Little-endian integers at any address. */
uint32_t tvm_tiny_session_get(const uint8_t* bytes, uint32_t count);
void tvm_tiny_session_put(uint8_t* bytes, uint32_t value);

/* CRC-32 of ISO-HDLC (zlib's) of `bytes` bytes after those whose CRC is `crc`; 0 at first. */
uint32_t tvm_tiny_session_crc(uint32_t crc, const void* data, uint32_t bytes);

/* Takes a byte of the line. Returns 1 when it ends a frame: then call `tvm_tiny_session_check`. */
int tvm_tiny_session_take(struct tvm_tiny_session_receiver* receiver, uint8_t byte);

/* Bytes of the frame that has ended, without its checksum: 0 if it is none, or damaged; empty
 * (nothing between two zeros) is no damage. Makes room for the next one, which overwrites it. */
uint32_t tvm_tiny_session_check(struct tvm_tiny_session_receiver* receiver, uint32_t* damaged);

/* Appends the checksum to `length` bytes of `frame` and sends it. */
void tvm_tiny_session_send(const struct tvm_tiny_session_port* port, uint8_t* frame,
                           uint32_t length);

#endif /* TVM_TINY_SESSION_FRAME_H */
