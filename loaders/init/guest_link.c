/* Lines to the host and orders from it, each in one guestinfo key, numbered so that either side may read them again. */
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void guest_link_begin(struct guest_link *link)
{
	unsigned char drawn[8] = {0};
	if (getrandom(drawn, sizeof drawn, 0) != sizeof drawn)
		abort();
	for (size_t i = 0; i < sizeof drawn; i++)
		snprintf(link->boot + i * 2, 3, "%02x", drawn[i]);
	link->last = link->taken = 0;
	link->kept_count = 0;
	link->changed = true;
}

bool guest_link_push(struct guest_link *link, const char *text, bool of_monitor)
{
	if (link->kept_count == GUEST_KEPT)
		return false;
	size_t at = link->kept_count++;
	link->kept[at].number = ++link->last;
	link->kept[at].of_monitor = of_monitor;
	snprintf(link->kept[at].text, sizeof link->kept[at].text, "%s", text);
	link->changed = true;
	return true;
}

size_t guest_link_acknowledged(struct guest_link *link, long long number)
{
	size_t gone = 0, of_monitor = 0;
	while (gone < link->kept_count && link->kept[gone].number <= number)
		of_monitor += link->kept[gone++].of_monitor;
	link->kept_count -= gone;
	memmove(link->kept, link->kept + gone, link->kept_count * sizeof link->kept[0]);
	if (gone > 0)
		link->changed = true;
	return of_monitor;
}

bool guest_link_publish(struct guest_link *link)
{
	static char value[VALUE_BYTES];
	struct line_writer head;
	line_begin(&head, "UP");
	line_add_number(&head, "v", 1);
	line_add(&head, "boot", link->boot);
	line_add(&head, "self", link->self);
	line_add_number(&head, "taken", link->taken);
	line_add_number(&head, "last", link->last);
	line_add(&head, "state", link->state);
	line_add(&head, "inc", link->incarnation);
	line_end(&head, LINE_BYTES);
	size_t length = (size_t)snprintf(value, sizeof value, "%.*s", (int)head.length - 1, head.text);
	for (size_t i = 0; i < link->kept_count && length + LINE_BYTES + 32 < sizeof value; i++)
		length += (size_t)snprintf(value + length, sizeof value - length, ";%lld %s", link->kept[i].number, link->kept[i].text);
	if (!guest_set("up", value))
		return false;
	link->changed = false;
	return true;
}

bool guest_down_read(struct guest_down *down, char *value)
{
	char *end = strchr(value, ';');
	size_t length = end != NULL ? (size_t)(end - value) : strlen(value);
	down->orders = end != NULL ? end + 1 : value + length;
	return length < LINE_BYTES && line_decode(&down->head, value, length) && strcmp(down->head.word, "DOWN") == 0;
}

bool guest_down_next(struct guest_down *down, long long *number, char **order)
{
	while (*down->orders != '\0') {
		char *text = down->orders, *end = strchr(text, ';');
		down->orders = end != NULL ? end + 1 : text + strlen(text);
		if (end != NULL)
			*end = '\0';
		*number = strtoll(text, order, 10);
		if (*order != text && **order == ' ' && *number > 0) {
			++*order;
			return true;
		}
	}
	return false;
}
