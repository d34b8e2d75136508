// SPDX-License-Identifier: Apache-2.0
//
// Sends connections to a service's address to the Envoy of this machine.
//
// Every refusal to steer lets the connection go where it was dialled, unless the service says
// `on-failure refuse`. The layouts are those of runtime/src/node/steering/layout.rs; a change of
// one is a new schema there.

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define ECONNREFUSED 111
#define PROCEED 1
#define REFUSE 0

// What a rule is found by: an IPv6 address, or an IPv4 one as ::ffff:a.b.c.d; the port in network order.
struct key {
	__u32 address[4];
	__u16 port;
	__u16 zero;
};

#define ON_FAILURE_REFUSE 1

struct rule {
	__u16 listener; // port of Envoy on loopback, in network order
	__u16 flags;
	__u32 service; // index of its counters
};

// The whole rule set is one inner map: a change is one write of the outer slot.
struct rule_set {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, 20);
	__uint(value_size, 8);
	__uint(max_entries, 1);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, struct rule_set);
} rules SEC(".maps");

enum setting { NAMESPACE, ENVOY, LEASE, OFF, SETTINGS };

// Each written alone, so that no writer overwrites another's.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SETTINGS);
	__type(key, __u32);
	__type(value, __u64);
} settings SEC(".maps");

enum outcome {
	STEERED,
	NO_LISTENER,
	NO_LEASE,
	REFUSED,
	OTHER_NAMESPACE,
	ENVOYS_OWN,
	SWITCHED_OFF,
	BOUND_TO_DEVICE,
	OUTCOMES
};

struct counts {
	__u64 of[OUTCOMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counters SEC(".maps");

struct dialled {
	__u32 address[4];
	__u16 port;
	__u16 listener;
};

// What a steered socket dialled. The kernel frees it with the socket.
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct dialled);
} dialled SEC(".maps");

static __always_inline __u64 setting(enum setting which)
{
	__u32 at = which;
	__u64 *value = bpf_map_lookup_elem(&settings, &at);
	return value ? *value : 0;
}

static __always_inline struct rule *find(const struct key *key)
{
	__u32 slot = 0;
	void *set = bpf_map_lookup_elem(&rules, &slot);
	return set ? bpf_map_lookup_elem(set, key) : 0;
}

static __always_inline void count(const struct rule *rule, enum outcome outcome)
{
	struct counts *counts = bpf_map_lookup_elem(&counters, &rule->service);
	if (counts)
		counts->of[outcome]++;
}

// Whether somebody listens on this port of loopback: without Envoy its port refuses connections.
static __always_inline int listens(struct bpf_sock_addr *ctx, __u16 port, int v6)
{
	struct bpf_sock_tuple to = {};
	__u32 size;
	if (v6) {
		to.ipv6.saddr[3] = bpf_htonl(1);
		to.ipv6.daddr[3] = bpf_htonl(1);
		to.ipv6.dport = port;
		size = sizeof(to.ipv6);
	} else {
		to.ipv4.saddr = bpf_htonl(0x7f000001);
		to.ipv4.daddr = bpf_htonl(0x7f000001);
		to.ipv4.dport = port;
		size = sizeof(to.ipv4);
	}
	struct bpf_sock *found = bpf_sk_lookup_tcp(ctx, &to, size, BPF_F_CURRENT_NETNS, 0);
	if (!found)
		return 0;
	int listening = found->state == BPF_TCP_LISTEN;
	bpf_sk_release(found);
	return listening;
}

static __always_inline int failed(const struct rule *rule, enum outcome outcome)
{
	if (!(rule->flags & ON_FAILURE_REFUSE)) {
		count(rule, outcome);
		return PROCEED;
	}
	count(rule, REFUSED);
	bpf_set_retval(-ECONNREFUSED);
	return REFUSE;
}

// Decides about a connection; STEERED in *steered where the caller shall write Envoy's address.
static __always_inline int decide(struct bpf_sock_addr *ctx, const struct key *key, int v6, __u16 *listener)
{
	struct bpf_sock *sk = ctx->sk;
	struct rule *rule = find(key);
	if (!rule || !sk)
		return PROCEED;
	if (bpf_get_netns_cookie(ctx) != setting(NAMESPACE)) {
		// Its loopback is another one.
		count(rule, OTHER_NAMESPACE);
		return PROCEED;
	}
	if (bpf_get_current_cgroup_id() == setting(ENVOY)) {
		// Envoy would call itself without end.
		count(rule, ENVOYS_OWN);
		return PROCEED;
	}
	if (setting(OFF)) {
		count(rule, SWITCHED_OFF);
		return PROCEED;
	}
	if (sk->bound_dev_if) {
		// Its device does not reach loopback.
		count(rule, BOUND_TO_DEVICE);
		return PROCEED;
	}
	if (bpf_ktime_get_ns() >= setting(LEASE))
		return failed(rule, NO_LEASE);
	if (!listens(ctx, rule->listener, v6))
		return failed(rule, NO_LISTENER);
	struct dialled *dial = bpf_sk_storage_get(&dialled, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (dial) {
		__builtin_memcpy(dial->address, key->address, sizeof(dial->address));
		dial->port = key->port;
		dial->listener = rule->listener;
	}
	count(rule, STEERED);
	*listener = rule->listener;
	return PROCEED;
}

static __always_inline int is_tcp(const struct bpf_sock_addr *ctx)
{
	return ctx->type == SOCK_STREAM && (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_MPTCP);
}

SEC("cgroup/connect4")
int meshc_connect4(struct bpf_sock_addr *ctx)
{
	if (!is_tcp(ctx))
		return PROCEED;
	struct key key = {.address = {0, 0, bpf_htonl(0xffff), ctx->user_ip4}, .port = ctx->user_port};
	__u16 listener = 0;
	int verdict = decide(ctx, &key, 0, &listener);
	if (listener) {
		ctx->user_ip4 = bpf_htonl(0x7f000001);
		ctx->user_port = listener;
	}
	return verdict;
}

SEC("cgroup/connect6")
int meshc_connect6(struct bpf_sock_addr *ctx)
{
	if (!is_tcp(ctx))
		return PROCEED;
	struct key key = {
		.address = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]},
		.port = ctx->user_port,
	};
	int mapped = !key.address[0] && !key.address[1] && key.address[2] == bpf_htonl(0xffff);
	__u16 listener = 0;
	int verdict = mapped ? decide(ctx, &key, 0, &listener) : decide(ctx, &key, 1, &listener);
	if (!listener)
		return verdict;
	if (mapped) {
		ctx->user_ip6[3] = bpf_htonl(0x7f000001);
	} else {
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = 0;
		ctx->user_ip6[3] = bpf_htonl(1);
	}
	ctx->user_port = listener;
	return verdict;
}

// What the socket dialled, if it is still connected to where it was steered.
static __always_inline struct dialled *of_peer(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	if (!sk || !is_tcp(ctx))
		return 0;
	struct dialled *dial = bpf_sk_storage_get(&dialled, sk, 0, 0);
	return dial && dial->listener == (__u16)ctx->user_port ? dial : 0;
}

SEC("cgroup/getpeername4")
int meshc_peer4(struct bpf_sock_addr *ctx)
{
	struct dialled *dial = of_peer(ctx);
	if (dial && ctx->user_ip4 == bpf_htonl(0x7f000001)) {
		ctx->user_ip4 = dial->address[3];
		ctx->user_port = dial->port;
	}
	return PROCEED;
}

SEC("cgroup/getpeername6")
int meshc_peer6(struct bpf_sock_addr *ctx)
{
	struct dialled *dial = of_peer(ctx);
	if (!dial)
		return PROCEED;
	__u32 last = ctx->user_ip6[3];
	if (last == bpf_htonl(1) || last == bpf_htonl(0x7f000001)) {
		ctx->user_ip6[0] = dial->address[0];
		ctx->user_ip6[1] = dial->address[1];
		ctx->user_ip6[2] = dial->address[2];
		ctx->user_ip6[3] = dial->address[3];
		ctx->user_port = dial->port;
	}
	return PROCEED;
}

char LICENSE[] SEC("license") = "Apache-2.0";
