/*
 * What rdma-sys 0.3 lacks or gets wrong, in C, so that the installed header itself is what is compiled.
 *
 * - ibv_create_qp_ex, ibv_query_device_ex, ibv_query_port, ibv_modify_cq: rdma-sys rewrites these inline
 *   functions in Rust and compares the mark of an extended context with 2^32 - 1 instead of all ones. On 64-bit machines it so
 *   takes every device for an old one: no extended queue pair, no extended attributes.
 * - ibv_query_gid_table: missing there.
 * - ibv_wr_flush, ibv_wr_atomic_write: missing there; here where verbs.h has them (HAVE_..., by build.rs).
 * - the functions of an extended queue pair, of which rdma-sys knows those of its own header alone.
 * - the layouts that the header gives, for a test that compares them with those of rdma-sys.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

struct ibv_qp *qpair_shim_create_qp_ex(struct ibv_context *context, struct ibv_qp_init_attr_ex *attributes)
{
	return ibv_create_qp_ex(context, attributes);
}

int qpair_shim_query_device(struct ibv_context *context, struct ibv_device_attr_ex *attributes)
{
	return ibv_query_device_ex(context, NULL, attributes);
}

int qpair_shim_query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attributes)
{
	return ibv_query_port(context, port, attributes);
}

ssize_t qpair_shim_query_gid_table(struct ibv_context *context, struct ibv_gid_entry *entries, size_t room)
{
	return ibv_query_gid_table(context, entries, room, 0);
}

int qpair_shim_moderate_cq(struct ibv_cq *cq, uint16_t count, uint16_t period_us)
{
	struct ibv_modify_cq_attr attributes = {
		.attr_mask = IBV_CQ_ATTR_MODERATE,
		.moderate = { .cq_count = count, .cq_period = period_us },
	};

	return ibv_modify_cq(cq, &attributes);
}

/* Zero, or EOPNOTSUPP where the header does not know the operation; nothing is added to the chain then. */
int qpair_shim_wr_atomic_write(struct ibv_qp_ex *qp, uint32_t rkey, uint64_t address,
			       const void *eight_bytes)
{
#ifdef HAVE_ATOMIC_WRITE
	ibv_wr_atomic_write(qp, rkey, address, eight_bytes);
	return 0;
#else
	(void)qp, (void)rkey, (void)address, (void)eight_bytes;
	return EOPNOTSUPP;
#endif
}

/* As above. `placement` and `whole_region` are ibv_placement_type's bits and ibv_selectivity_level. */
int qpair_shim_wr_flush(struct ibv_qp_ex *qp, uint32_t rkey, uint64_t address, size_t length,
			uint8_t placement, uint8_t whole_region)
{
#ifdef HAVE_FLUSH
	ibv_wr_flush(qp, rkey, address, length, placement, whole_region);
	return 0;
#else
	(void)qp, (void)rkey, (void)address, (void)length, (void)placement, (void)whole_region;
	return EOPNOTSUPP;
#endif
}

/*
 * Of the operations that a queue pair was asked for (ibv_qp_create_send_ops_flags), those that have a function; none
 * unless lists and inline data have theirs. A provider may make the queue pair and leave some out: that of bnxt_re
 * does, up to rdma-core 65. Functions of operations that were not asked for are not looked at: a library that is older
 * than the header ends its structure before them.
 */
uint64_t qpair_shim_wr_functions(const struct ibv_qp_ex *qp, uint64_t asked)
{
	uint64_t there = 0;

	if (!qp->wr_set_sge_list || !qp->wr_set_inline_data)
		return 0;
#define LOOK(bit, function)                                                                                            \
	do {                                                                                                           \
		if ((asked & (bit)) && qp->function)                                                                   \
			there |= (bit);                                                                                \
	} while (0)
	LOOK(IBV_QP_EX_WITH_RDMA_WRITE, wr_rdma_write);
	LOOK(IBV_QP_EX_WITH_RDMA_WRITE_WITH_IMM, wr_rdma_write_imm);
	LOOK(IBV_QP_EX_WITH_SEND, wr_send);
	LOOK(IBV_QP_EX_WITH_SEND_WITH_IMM, wr_send_imm);
	LOOK(IBV_QP_EX_WITH_RDMA_READ, wr_rdma_read);
	LOOK(IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP, wr_atomic_cmp_swp);
	LOOK(IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD, wr_atomic_fetch_add);
	LOOK(IBV_QP_EX_WITH_LOCAL_INV, wr_local_inv);
	LOOK(IBV_QP_EX_WITH_BIND_MW, wr_bind_mw);
	LOOK(IBV_QP_EX_WITH_SEND_WITH_INV, wr_send_inv);
#ifdef HAVE_FLUSH
	LOOK(IBV_QP_EX_WITH_FLUSH, wr_flush);
#endif
#ifdef HAVE_ATOMIC_WRITE
	LOOK(IBV_QP_EX_WITH_ATOMIC_WRITE, wr_atomic_write);
#endif
#undef LOOK
	return there;
}

/* Bit 0: FLUSH is compiled in. Bit 1: ATOMIC WRITE is. */
int qpair_shim_built_with(void)
{
	int built = 0;
#ifdef HAVE_FLUSH
	built |= 1;
#endif
#ifdef HAVE_ATOMIC_WRITE
	built |= 2;
#endif
	return built;
}

/* In the order of the list in shim.rs. */
static const size_t layout[] = {
	sizeof(struct ibv_send_wr),
	offsetof(struct ibv_send_wr, opcode),
	offsetof(struct ibv_send_wr, send_flags),
	offsetof(struct ibv_send_wr, imm_data),
	offsetof(struct ibv_send_wr, wr.rdma.rkey),
	offsetof(struct ibv_send_wr, wr.atomic.swap),
	offsetof(struct ibv_send_wr, wr.atomic.rkey),
	offsetof(struct ibv_send_wr, bind_mw.mw),
	offsetof(struct ibv_send_wr, bind_mw.rkey),
	offsetof(struct ibv_send_wr, bind_mw.bind_info.mw_access_flags),
	sizeof(struct ibv_sge),
	offsetof(struct ibv_sge, length),
	offsetof(struct ibv_sge, lkey),
	sizeof(struct ibv_recv_wr),
	sizeof(struct ibv_wc),
	offsetof(struct ibv_wc, byte_len),
	offsetof(struct ibv_wc, imm_data),
	offsetof(struct ibv_wc, qp_num),
	offsetof(struct ibv_wc, wc_flags),
	sizeof(struct ibv_async_event),
	offsetof(struct ibv_async_event, event_type),
	sizeof(struct ibv_qp_attr),
	offsetof(struct ibv_qp_attr, ah_attr),
	offsetof(struct ibv_qp_attr, rnr_retry),
	sizeof(struct ibv_qp_init_attr),
	sizeof(struct ibv_qp_init_attr_ex),
	offsetof(struct ibv_qp_init_attr_ex, send_ops_flags),
	sizeof(struct ibv_device_attr_ex),
	offsetof(struct ibv_device_attr_ex, device_cap_flags_ex),
	sizeof(struct ibv_port_attr),
	sizeof(struct ibv_gid_entry),
	sizeof(struct ibv_mw_bind_info),
	sizeof(struct ibv_qp_ex),
	offsetof(struct ibv_qp_ex, wr_id),
	offsetof(struct ibv_qp_ex, wr_flags),
	offsetof(struct ibv_qp_ex, wr_complete),
	sizeof(struct rdma_cm_id),
	offsetof(struct rdma_cm_id, route),
	offsetof(struct rdma_cm_id, port_num),
	offsetof(struct rdma_cm_id, qp_type),
	sizeof(struct rdma_cm_event),
	offsetof(struct rdma_cm_event, status),
	offsetof(struct rdma_cm_event, param.conn),
	sizeof(struct rdma_conn_param),
	offsetof(struct rdma_conn_param, qp_num),
};

const size_t *qpair_shim_layout(size_t *count)
{
	*count = sizeof(layout) / sizeof(layout[0]);
	return layout;
}
