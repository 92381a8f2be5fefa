/* Sockets, descriptors and time, for both ends. Errors of our own end the process with one line on standard error. */
#ifndef NET_H
#define NET_H

#include <netinet/in.h>
#include <stdint.h>

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void);

/* Raise the soft limit of open descriptors to the hard one; die when that is less than needed. */
void allow_descriptors(unsigned needed);

/* Non-blocking; port 0 takes a free one, and *address tells which. */
int listen_on(struct sockaddr_in *address);

/* A non-blocking connection that is under way; -1 with errno. */
int connect_to(const struct sockaddr_in *address);

struct sockaddr_in loopback(uint16_t port);

void no_delay(int fd);

#endif
