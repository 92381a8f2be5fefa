#include "tls.h"
#include "net.h"

#ifdef WITH_TLS

#include <errno.h>
#include <openssl/ssl.h>

enum { READ_AHEAD = 4 * (16 << 10) + 512 }; /* four full records with their headers and tags */

/* One version, one cipher and one group, so that every proxy does the same work. The certificate is the benchmark's own,
 * so it is not checked. No tickets are kept: every session pays a full handshake, as a new visitor's does. */
static SSL_CTX *context(void)
{
    static SSL_CTX *ctx;
    if (!ctx) {
        ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
            !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(ctx, "X25519"))
            die("OpenSSL gives no context with TLS 1.3, AES-128-GCM and X25519");
        SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        /* otherwise two reads for each record, one of them for its five bytes of header */
        SSL_CTX_set_read_ahead(ctx, 1);
        SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
    }
    return ctx;
}

void *tls_new(int fd)
{
    SSL *ssl = SSL_new(context());
    if (!ssl || !SSL_set_fd(ssl, fd))
        die("OpenSSL takes no socket");
    SSL_set_tlsext_host_name(ssl, "localhost");
    SSL_set_connect_state(ssl);
    return ssl;
}

void tls_free(void *tls)
{
    SSL_free(tls);
}

int tls_handshake(void *tls, int *writing)
{
    int done = SSL_do_handshake(tls);
    int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(tls, done);
    *writing = error == SSL_ERROR_WANT_WRITE;
    return done == 1 ? 1 : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t result(SSL *ssl, int n)
{
    if (n > 0)
        return n;
    int error = SSL_get_error(ssl, n);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t tls_recv(void *tls, void *buffer, size_t size)
{
    return result(tls, SSL_read(tls, buffer, (int)size));
}

ssize_t tls_send(void *tls, const void *data, size_t size)
{
    return result(tls, SSL_write(tls, data, (int)size));
}

int tls_more(const void *tls)
{
    return SSL_has_pending(tls);
}

#else

static const char missing[] = "built without TLS: install libssl-dev and build again";

void *tls_new(int fd)
{
    (void)fd;
    die("%s", missing);
}

void tls_free(void *tls)
{
    (void)tls;
}

int tls_handshake(void *tls, int *writing)
{
    (void)tls;
    (void)writing;
    die("%s", missing);
}

ssize_t tls_recv(void *tls, void *buffer, size_t size)
{
    (void)tls;
    (void)buffer;
    (void)size;
    die("%s", missing);
}

ssize_t tls_send(void *tls, const void *data, size_t size)
{
    (void)tls;
    (void)data;
    (void)size;
    die("%s", missing);
}

int tls_more(const void *tls)
{
    (void)tls;
    die("%s", missing);
}

#endif
