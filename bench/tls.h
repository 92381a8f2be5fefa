/* The client's TLS leg, with the read and write calls shaped like recv and send. Built without OpenSSL, it only dies. */
#ifndef TLS_H
#define TLS_H

#include <stddef.h>
#include <sys/types.h>

void *tls_new(int fd);
void tls_free(void *tls);

/* 1 done, 0 under way (writing says whether it waits to write), -1 failed. */
int tls_handshake(void *tls, int *writing);

ssize_t tls_recv(void *tls, void *buffer, size_t size);
ssize_t tls_send(void *tls, const void *data, size_t size);

/* Whether bytes that raise no event have been read ahead. */
int tls_more(const void *tls);

#endif
