/*
 * The part of QEMU's plugin interface, version 1, that profile.c uses.
 *
 * Written from the API chapter of QEMU's manual ("QEMU TCG Plugins", versions 6.1 to 8.2), because
 * distributions do not package a header. QEMU exports these functions to the plugins it loads.
 */
#ifndef TVM_TINY_QEMU_PLUGIN_API_H
#define TVM_TINY_QEMU_PLUGIN_API_H

#include <stddef.h>
#include <stdint.h>

#define TVM_TINY_PLUGIN_API 1
#define TVM_TINY_PLUGIN_EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;

/* QEMU's version and machine; not read here. */
struct qemu_info_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* Whether a callback reads or writes the guest's registers. */
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*qemu_plugin_udata_cb_t)(qemu_plugin_id_t id, void* data);
typedef void (*qemu_plugin_vcpu_udata_cb_t)(unsigned int vcpu, void* data);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t)(qemu_plugin_id_t id, struct qemu_plugin_tb* tb);

/* Called for each block that QEMU translates, and when it exits. */
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           qemu_plugin_vcpu_tb_trans_cb_t callback);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb_t callback,
                                    void* data);

/* Called each time that a block runs. */
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb* tb,
                                          qemu_plugin_vcpu_udata_cb_t callback,
                                          enum qemu_plugin_cb_flags flags, void* data);

/* A block's instructions, and of one its address and bytes. */
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb* tb);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb* tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn* insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn* insn);

/* A plugin exports the version it is written for, and its start, which returns 0 for success. */
extern TVM_TINY_PLUGIN_EXPORT int qemu_plugin_version;
TVM_TINY_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t* info,
                                               int argc, char** argv);

#endif /* TVM_TINY_QEMU_PLUGIN_API_H */
