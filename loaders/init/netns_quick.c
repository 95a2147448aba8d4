/*
 * Routes of the loopback with `quickack`: what `ip route replace local 127.0.0.0/8 dev lo table local proto kernel
 * scope host src 127.0.0.1 quickack 1` and the same for 127.0.0.1 do, without that command. See rtnetlink(7).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init.h"

/* Of the kernel's headers, which musl-gcc does not see. */
#define NETLINK_ROUTE 0
#define NLMSG_ERROR 2
#define RTM_NEWROUTE 24
#define REQUEST_ACK_REPLACE_CREATE (0x1 | 0x4 | 0x100 | 0x400)
#define TABLE_LOCAL 255
#define PROTOCOL_KERNEL 2
#define SCOPE_HOST 254
#define TYPE_LOCAL 2
#define RTA_DST 1
#define RTA_OIF 4
#define RTA_PREFSRC 7
#define RTA_METRICS 8
#define RTAX_QUICKACK 15

struct request {
	uint32_t length;
	uint16_t type, flags;
	uint32_t sequence, port;
	/* struct rtmsg */
	uint8_t family, destination_bits, source_bits, tos, table, protocol, scope, kind;
	uint32_t route_flags;
	struct word_attribute {
		uint16_t length, type;
		uint32_t value;
	} destination, device, source;
	struct {
		uint16_t length, type;
		struct word_attribute quickack;
	} metrics;
};

static struct word_attribute word(uint16_t type, uint32_t value)
{
	return (struct word_attribute){sizeof(struct word_attribute), type, value};
}

static bool replace_route(int fd, const char *destination, uint8_t bits)
{
	struct request request = {
		.length = sizeof request,
		.type = RTM_NEWROUTE,
		.flags = REQUEST_ACK_REPLACE_CREATE,
		.family = AF_INET,
		.destination_bits = bits,
		.table = TABLE_LOCAL,
		.protocol = PROTOCOL_KERNEL,
		.scope = SCOPE_HOST,
		.kind = TYPE_LOCAL,
		.destination = word(RTA_DST, inet_addr(destination)),
		.device = word(RTA_OIF, if_nametoindex("lo")),
		.source = word(RTA_PREFSRC, inet_addr("127.0.0.1")),
		.metrics = {sizeof request.metrics, RTA_METRICS, word(RTAX_QUICKACK, 1)},
	};
	struct {
		uint32_t length;
		uint16_t type, flags;
		uint32_t sequence, port;
		int32_t error;
		char rest[512];
	} reply;
	if (send(fd, &request, sizeof request, 0) != sizeof request)
		return false;
	ssize_t got = recv(fd, &reply, sizeof reply, 0);
	if (got < 20 || reply.type != NLMSG_ERROR)
		errno = EPROTO;
	else if (reply.error == 0)
		return true;
	else
		errno = -reply.error;
	return false;
}

bool loopback_quicken(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool done = fd >= 0 && replace_route(fd, "127.0.0.0", 8) && replace_route(fd, "127.0.0.1", 32);
	int kept = errno;
	if (fd >= 0)
		close(fd);
	errno = kept;
	return done;
}
