/*
 * The window of an output row of a depthwise convolution: four channels of the input in scratch.
 *
 * For each two columns scratch holds
 *
 *     for each two rows   [4 channels][2 columns] words of a column's two elements
 *     for a last odd row  [4 channels] words of the row's two elements
 *
 * SMLAD multiplies two taps at once, and a channel finds its words at constant distances. Columns
 * outside the input are 0 from the start. Pairs of columns inside it are the middle; a pair of
 * which only one column is inside is an edge.
 */
#ifndef TVM_TINY_DSP_WINDOW_H
#define TVM_TINY_DSP_WINDOW_H

#include "tvm_tiny/dsp/common.h"

#if TVM_TINY_DSP

/* The column inside the input of an edge. x: its offset in a row, in bytes. to: its first word.
 * last: its first halfword of a last odd row. */
struct tvm_tiny_dsp_edge {
  int32_t x;
  tvm_tiny_dsp_word* to;
  tvm_tiny_dsp_half* last;
};

/* Places at which the window is read and written; the same for all channels. rows: offsets of the
 * input rows, in bytes. channels: bytes between two columns. minus: the negated zero point in both
 * halfwords. end: behind the edges. */
struct tvm_tiny_dsp_window {
  int32_t rows[TVM_TINY_DSP_KERNEL];
  /* The middle: offset of its first column in row 0; the distance from there to row 1, and that
   * from two columns on to row 2; its first word, its end and its number of words. */
  int32_t middle;
  int32_t row1;
  int32_t row2;
  int32_t channels;
  uint32_t minus;
  tvm_tiny_dsp_word* to;
  tvm_tiny_dsp_word* to_end;
  int32_t words;
  struct tvm_tiny_dsp_edge edges[2];
  struct tvm_tiny_dsp_edge* end;
};

/* Writes one column. to: its first word. half: its first halfword of a last odd row. */
TVM_TINY_INLINE void tvm_tiny_dsp_column(const int8_t* x, const int32_t* rows,
                                         tvm_tiny_dsp_word* to, tvm_tiny_dsp_half* half,
                                         uint32_t minus, int32_t kernel_h) {
  int32_t r;
  TVM_TINY_DSP_LOOP
  for (r = 0; r + 1 < kernel_h; r += 2) {
    const uint32_t a = tvm_tiny_dsp_load(x + rows[r]);
    const uint32_t b = tvm_tiny_dsp_load(x + rows[r + 1]);
    const uint32_t low = tvm_tiny_dsp_lower(a, b);
    const uint32_t high = tvm_tiny_dsp_upper(a, b);
    to[0] = tvm_tiny_dsp_add_even(minus, low);
    to[2] = tvm_tiny_dsp_add_odd(minus, low);
    to[4] = tvm_tiny_dsp_add_even(minus, high);
    to[6] = tvm_tiny_dsp_add_odd(minus, high);
    to += 8;
  }
  if ((kernel_h & 1) != 0) {
    const uint32_t a = tvm_tiny_dsp_load(x + rows[r]);
    const uint32_t even = tvm_tiny_dsp_add_even(minus, a);
    const uint32_t uneven = tvm_tiny_dsp_add_odd(minus, a);
    half[0] = (uint16_t)even;
    half[2] = (uint16_t)uneven;
    half[4] = (uint16_t)(even >> 16);
    half[6] = (uint16_t)(uneven >> 16);
  }
}

/* Instructions that write two columns of two rows, d bytes apart; x advances by two columns. */
#define TVM_TINY_DSP_TWO_ROWS              \
  "ldr r12, [%[x], %[d]]\n\t"              \
  "ldr r8, [%[x]]\n\t"                     \
  "add %[x], %[x], %[c]\n\t"               \
  "ldr lr, [%[x], %[d]]\n\t"               \
  "ldr r9, [%[x]]\n\t"                     \
  "add %[x], %[x], %[c]\n\t"               \
  "pkhbt r10, r8, r12, lsl #16\n\t"        \
  "pkhbt r11, r9, lr, lsl #16\n\t"         \
  "pkhtb r12, r12, r8, asr #16\n\t"        \
  "pkhtb lr, lr, r9, asr #16\n\t"          \
  "sxtab16 r8, %[minus], r10\n\t"          \
  "sxtab16 r9, %[minus], r11\n\t"          \
  "sxtab16 r10, %[minus], r10, ror #8\n\t" \
  "sxtab16 r11, %[minus], r11, ror #8\n\t" \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"   \
  "sxtab16 r10, %[minus], r12\n\t"         \
  "sxtab16 r11, %[minus], lr\n\t"          \
  "sxtab16 r12, %[minus], r12, ror #8\n\t" \
  "sxtab16 lr, %[minus], lr, ror #8\n\t"   \
  "stmia %[to]!, {r10, r11, r12, lr}\n\t"

/* Instructions that write two columns of one row, which are in r8 and r9. */
#define TVM_TINY_DSP_ONE_ROW               \
  "pkhbt r10, r8, r9, lsl #16\n\t"         \
  "pkhtb r11, r9, r8, asr #16\n\t"         \
  "sxtab16 r8, %[minus], r10\n\t"          \
  "sxtab16 r9, %[minus], r10, ror #8\n\t"  \
  "sxtab16 r10, %[minus], r11\n\t"         \
  "sxtab16 r11, %[minus], r11, ror #8\n\t" \
  "stmia %[to]!, {r8, r9, r10, r11}\n\t"

/* Repeats such instructions until `to` is `end`. */
#define TVM_TINY_DSP_COLUMNS(text, ...)                                                 \
  __asm__ volatile("1:\n\t" text                                                        \
                   "cmp %[to], %[end]\n\t"                                              \
                   "bne 1b"                                                             \
                   : [x] "+r"(x), [to] "+r"(to)                                         \
                   : [minus] "r"(minus), [end] "r"(end), [c] "r"(channels), __VA_ARGS__ \
                   : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

/* Writes the middle of the window. */
TVM_TINY_INLINE void tvm_tiny_dsp_middle(const struct tvm_tiny_dsp_window* window, const int8_t* x,
                                         int32_t kernel_h) {
  const int32_t channels = window->channels;
  const uint32_t minus = window->minus;
  const int32_t* rows = window->rows;
  const int8_t* const all = x + window->middle - rows[0];
  tvm_tiny_dsp_word* to = window->to;
  const tvm_tiny_dsp_word* end = window->to_end;
  int32_t r;
  x += window->middle;
  if (kernel_h == 3) {
    TVM_TINY_DSP_COLUMNS(
        TVM_TINY_DSP_TWO_ROWS
        "add r9, %[x], %[e]\n\tldr r8, [r9]\n\tldr r9, [r9, %[c]]\n\t" TVM_TINY_DSP_ONE_ROW,
        [d] "r"(window->row1), [e] "r"(window->row2));
    return;
  }
  TVM_TINY_DSP_LOOP
  for (r = 0; r + 1 < kernel_h; r += 2) {
    x = all + rows[r];
    to = window->to + 4 * r;
    end = to + window->words;
    TVM_TINY_DSP_COLUMNS(TVM_TINY_DSP_TWO_ROWS "add %[to], %[to], %[skip]\n\t",
                         [d] "r"(rows[r + 1] - rows[r]), [skip] "i"(16 * kernel_h - 32));
  }
  if ((kernel_h & 1) != 0) {
    x = all + rows[r];
    to = window->to + 4 * r;
    end = to + window->words;
    TVM_TINY_DSP_COLUMNS(
        "ldr r8, [%[x]]\n\tldr r9, [%[x], %[c]]\n\t"
        "add %[x], %[x], %[c], lsl #1\n\t" TVM_TINY_DSP_ONE_ROW "add %[to], %[to], %[skip]\n\t",
        [skip] "i"(16 * kernel_h - 16));
  }
}

/* Prepares the window of an output row for all channels. lines: input rows, negative where there is
 * none. columns: of the window. */
TVM_TINY_INLINE void tvm_tiny_dsp_open(struct tvm_tiny_dsp_window* window, const int32_t* lines,
                                       tvm_tiny_dsp_word* to, int32_t zero_point, int32_t width,
                                       int32_t channels, int32_t kernel_h, int32_t pad_left,
                                       int32_t columns) {
  const int32_t end = columns < width + pad_left ? columns : width + pad_left;
  const int32_t first = (pad_left + 1) & ~1;
  const int32_t pairs = end > first ? (end - first) >> 1 : 0;
  const int32_t after = first + 2 * pairs;
  struct tvm_tiny_dsp_edge* edge = window->edges;
  int32_t some = -1;
  int32_t i;
  TVM_TINY_DSP_LOOP
  for (i = 0; i < kernel_h; i++) {
    some = lines[i] < 0 ? some : lines[i];
  }
  TVM_TINY_DSP_LOOP
  for (i = 0; i < kernel_h; i++) {
    /* Any row that exists stands for a missing one, as its weights are 0. Row 0 need not be in
     * memory. */
    window->rows[i] = (lines[i] < 0 ? some : lines[i]) * width * channels;
  }
  for (i = 0; i < 2 * kernel_h * first; i++) {
    to[i] = 0;
  }
  for (i = 2 * kernel_h * after; i < 2 * kernel_h * ((columns + 1) & ~1); i++) {
    to[i] = 0;
  }
  window->minus = (uint32_t)(-zero_point & 0xffff) * 0x10001u;
  window->channels = channels;
  window->middle = window->rows[0] + (first - pad_left) * channels;
  window->row1 = kernel_h > 1 ? window->rows[1] - window->rows[0] : 0;
  window->row2 = kernel_h > 2 ? window->rows[2] - window->rows[0] - 2 * channels : 0;
  window->to = to + 2 * kernel_h * first;
  window->words = 4 * kernel_h * pairs;
  window->to_end = window->to + window->words;
  if ((pad_left & 1) != 0 && pad_left < end) {
    edge->x = 0;
    edge->to = to + 2 * kernel_h * (first - 2) + 1;
    edge->last = (tvm_tiny_dsp_half*)(void*)(to + 2 * kernel_h * first - 4) + 1;
    edge++;
  }
  if (after < end) {
    edge->x = (after - pad_left) * channels;
    edge->to = to + 2 * kernel_h * after;
    edge->last = (tvm_tiny_dsp_half*)(void*)(edge->to + 4 * (kernel_h - 1));
    edge++;
  }
  window->end = edge;
  if (some < 0) {
    /* Without any row there is nothing to read, and all weights are 0. */
    window->words = 0;
    window->end = window->edges;
  }
}

/* Writes the window of the four channels from x on. */
TVM_TINY_INLINE void tvm_tiny_dsp_fill(const struct tvm_tiny_dsp_window* window, const int8_t* x,
                                       int32_t kernel_h) {
  const struct tvm_tiny_dsp_edge* edge;
  if (window->words > 0) {
    tvm_tiny_dsp_middle(window, x, kernel_h);
  }
  for (edge = window->edges; edge != window->end; edge++) {
    tvm_tiny_dsp_column(x + edge->x, window->rows, edge->to, edge->last, window->minus, kernel_h);
  }
}

#endif /* TVM_TINY_DSP */

#endif /* TVM_TINY_DSP_WINDOW_H */
