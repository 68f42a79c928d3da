/*
 * The version of the C interface.
 *
 * TVM_TINY_ABI_VERSION grows when a firmware that calls generated code would have to change.
 * Generated sources state the version they were made for and refuse to compile against another:
 *
 *     #if TVM_TINY_ABI_VERSION != 1
 *     #error "..."
 *     #endif
 */
#ifndef TVM_TINY_VERSION_H
#define TVM_TINY_VERSION_H

#define TVM_TINY_ABI_VERSION 1

#endif /* TVM_TINY_VERSION_H */
