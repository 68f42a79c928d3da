/*
 * Everything a firmware may override in generated code, with the defaults.
 *
 * Override a macro on the command line (-DTVM_TINY_SECTION_RODATA=...), or name a header of your
 * own that is read first: -DTVM_TINY_OPTIONS_FILE='"my_options.h"'.
 *
 * Section and alignment macros stand first in a declaration, before `static`:
 *
 *     TVM_TINY_SECTION_RODATA TVM_TINY_ALIGN(16) static const int8_t weights[64] = {...};
 */
#ifndef TVM_TINY_OPTIONS_H
#define TVM_TINY_OPTIONS_H

#ifdef TVM_TINY_OPTIONS_FILE
#include TVM_TINY_OPTIONS_FILE
#endif

/* Compilers of which the attributes are known. armclang and most vendor compilers define __GNUC__
 * or __clang__; IAR takes its own pragmas. */
#if defined(__ICCARM__) || defined(__ICCRISCV__)
#define TVM_TINY_PRAGMA(text) _Pragma(#text)
#define TVM_TINY_SECTION_DEFAULT(name) TVM_TINY_PRAGMA(location = name)
#define TVM_TINY_ALIGN_DEFAULT(bytes) TVM_TINY_PRAGMA(data_alignment = bytes)
#elif defined(__GNUC__) || defined(__clang__)
/* Mach-O and COFF want other section names and need none of this. */
#if defined(__ELF__)
#define TVM_TINY_SECTION_DEFAULT(name) __attribute__((section(name)))
#else
#define TVM_TINY_SECTION_DEFAULT(name)
#endif
#define TVM_TINY_ALIGN_DEFAULT(bytes) __attribute__((aligned(bytes)))
#elif defined(_MSC_VER)
#define TVM_TINY_SECTION_DEFAULT(name)
#define TVM_TINY_ALIGN_DEFAULT(bytes) __declspec(align(bytes))
#else
#define TVM_TINY_SECTION_DEFAULT(name)
/* Leaving it empty would break kernels silently: the arena must be aligned. */
#define TVM_TINY_ALIGN_DEFAULT(bytes) TVM_TINY_ALIGN_is_unknown_for_this_compiler_define_it
#endif

/* Section of weights and tables. */
#ifndef TVM_TINY_SECTION_RODATA
#define TVM_TINY_SECTION_RODATA TVM_TINY_SECTION_DEFAULT(".rodata.tvm")
#endif

/* Section of an arena: memory that start-up code need not clear. */
#ifndef TVM_TINY_SECTION_BSS
#define TVM_TINY_SECTION_BSS TVM_TINY_SECTION_DEFAULT(".bss.noinit.tvm")
#endif

/* Alignment of an object, in bytes, a power of two. */
#ifndef TVM_TINY_ALIGN
#define TVM_TINY_ALIGN(bytes) TVM_TINY_ALIGN_DEFAULT(bytes)
#endif

/* Alignment that generated code expects of an arena. */
#define TVM_TINY_ARENA_ALIGNMENT 16

/* A pointer through which alone its object is reached. */
#ifndef TVM_TINY_RESTRICT
#if defined(__cplusplus)
#if defined(__GNUC__) || defined(__clang__) || defined(_MSC_VER)
#define TVM_TINY_RESTRICT __restrict
#else
#define TVM_TINY_RESTRICT
#endif
#else
#define TVM_TINY_RESTRICT restrict
#endif
#endif

/* A function that becomes part of its callers: their constants make straight code of it. */
#ifndef TVM_TINY_INLINE
#if defined(__GNUC__) || defined(__clang__)
#define TVM_TINY_INLINE static inline __attribute__((always_inline, unused))
#else
#define TVM_TINY_INLINE static inline
#endif
#endif

/* Called after each step of a model: uint32_t index of the step, const void* result, uint32_t
 * bytes of it. */
#ifndef TVM_TINY_TRACE
#define TVM_TINY_TRACE(step, pointer, bytes) ((void)0)
#endif

/* A check at compile time; `name` is an identifier that says what failed. */
#ifndef TVM_TINY_STATIC_ASSERT
#if defined(__cplusplus) && __cplusplus >= 201103L
#define TVM_TINY_STATIC_ASSERT(condition, name) static_assert(condition, #name)
#else
#define TVM_TINY_STATIC_ASSERT(condition, name) \
  typedef char tvm_tiny_assert_##name[(condition) ? 1 : -1]
#endif
#endif

/* Checks that assembler finds a member of a struct where it expects it. Needs <stddef.h>. */
#define TVM_TINY_ASSERT_OFFSET(type, member, bytes) \
  TVM_TINY_STATIC_ASSERT(offsetof(struct type, member) == (bytes), type##_at_##member)

#endif /* TVM_TINY_OPTIONS_H */
