/* Sockets, descriptors and time, for both ends. Errors of our own end the process with one line on standard error. */
#ifndef NET_H
#define NET_H

#include <netinet/in.h>
#include <stdint.h>

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void);

/* Raise the soft limit of open descriptors to the hard one; die when that is less than needed. */
void allow_descriptors(unsigned needed);

/* 127.0.0.1:port, non-blocking; port 0 takes a free one, and *port tells which. */
int listen_on(uint16_t *port);

/* A non-blocking connection that is under way; -1 with errno. */
int connect_to(const struct sockaddr_in *address);

struct sockaddr_in loopback(uint16_t port);

void no_delay(int fd);

#endif
