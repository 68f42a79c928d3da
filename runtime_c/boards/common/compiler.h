/* Attributes of gcc and clang that the board support needs beyond C99. */
#ifndef TVM_TINY_BOARDS_COMPILER_H
#define TVM_TINY_BOARDS_COMPILER_H

#define TVM_TINY_NOINLINE __attribute__((noinline))
#define TVM_TINY_FORCE_INLINE static inline __attribute__((always_inline, unused))

/* Keeps a call to an empty function from being optimized away. */
#define TVM_TINY_KEEP_CALL() __asm__ volatile("" ::: "memory")

#endif /* TVM_TINY_BOARDS_COMPILER_H */
