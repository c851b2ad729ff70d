#include <pgtally/server/http/tls.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace pgtally::server {

namespace {

io_need need_of(SSL& session, int result) noexcept
{
    switch (SSL_get_error(&session, result)) {
        case SSL_ERROR_NONE: return io_need::nothing;
        case SSL_ERROR_WANT_READ: return io_need::readable;
        case SSL_ERROR_WANT_WRITE: return io_need::writable;
        default: return io_need::never;
    }
}

// Whether the session has read all of the bytes that came before it began.
bool received_is_read(SSL& session) noexcept
{
    auto* const from = SSL_get_rbio(&session);
    return BIO_method_type(from) == BIO_TYPE_MEM && BIO_ctrl_pending(from) == 0;
}

}  // namespace

void tls_free::operator()(ssl_st* session) const noexcept
{
    SSL_free(session);
}

void tls_begin(ssl_st& session, int socket, std::string_view received)
{
    SSL_set_fd(&session, socket);
    SSL_set_accept_state(&session);
    if (received.empty()) return;
    auto* const before = BIO_new(BIO_s_mem());
    BIO_write(before, received.data(), static_cast<int>(received.size()));
    SSL_set0_rbio(&session, before);
}

tls_outcome tls_handshake(ssl_st& session)
{
    ERR_clear_error();
    auto result = SSL_do_handshake(&session);
    auto need = need_of(session, result);
    if (need == io_need::readable && received_is_read(session)) {
        SSL_set0_rbio(&session, BIO_new_socket(SSL_get_wfd(&session), BIO_NOCLOSE));
        result = SSL_do_handshake(&session);
        need = need_of(session, result);
    }
    if (need != io_need::never) return {need};
    auto const code = ERR_peek_error();
    if (code == 0) return {need, tls_fault::gone};
    if (ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST) return {need, tls_fault::plain_http};
    auto const* const why = ERR_reason_error_string(code);
    return {need, tls_fault::refused, why == nullptr ? "unknown reason" : why};
}

io_outcome tls_read(ssl_st& session, std::span<char> into) noexcept
{
    ERR_clear_error();
    std::size_t size = 0;
    auto const result = SSL_read_ex(&session, into.data(), into.size(), &size);
    return {size, size > 0 ? io_need::nothing : need_of(session, result)};
}

io_outcome tls_write(ssl_st& session, std::span<char const> from) noexcept
{
    ERR_clear_error();
    std::size_t size = 0;
    auto const result = SSL_write_ex(&session, from.data(), from.size(), &size);
    return {size, size > 0 ? io_need::nothing : need_of(session, result)};
}

void tls_end(ssl_st& session) noexcept
{
    if (SSL_is_init_finished(&session) == 0) return;
    ERR_clear_error();
    SSL_shutdown(&session);
    ERR_clear_error();
}

}  // namespace pgtally::server
