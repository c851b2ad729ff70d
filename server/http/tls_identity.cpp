#include <pgtally/server/http/tls.hpp>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <unistd.h>

namespace pgtally::server {

namespace {

constexpr std::string_view alpn = "\x08http/1.1";

void check_readable(std::string const& file, char const* option)
{
    if (::access(file.c_str(), R_OK) == 0) return;
    throw bad_certificate{fmt::format("{}: cannot read {}: {}", option, file, std::strerror(errno))};
}

// What OpenSSL says of the last error.
std::string reason()
{
    auto const code = ERR_peek_last_error();
    auto const* const text = ERR_reason_error_string(code);
    return text == nullptr ? "unknown reason" : text;
}

// A passphrase cannot be asked for: a server starts without anybody at its terminal.
int no_passphrase(char*, int, int, void*)
{
    return -1;
}

// RFC 7301, 3.2: a client that names protocols, but not this one, is refused.
int choose_protocol(SSL*, unsigned char const** chosen, unsigned char* size, unsigned char const* offered,
                    unsigned offered_size, void*)
{
    auto const* const ours = reinterpret_cast<unsigned char const*>(alpn.data());
    unsigned char* out = nullptr;
    auto const found =
        SSL_select_next_proto(&out, size, ours, static_cast<unsigned>(alpn.size()), offered, offered_size);
    *chosen = out;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_up(SSL_CTX& context)
{
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(&context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(&context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(&context, choose_protocol, nullptr);
}

std::chrono::system_clock::time_point end_of(X509 const& certificate)
{
    std::tm parts{};
    ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &parts);
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string subject_of(X509 const& certificate)
{
    std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })> const text{BIO_new(BIO_s_mem())};
    X509_NAME_print_ex(text.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    char* data = nullptr;
    auto const size = BIO_get_mem_data(text.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

void tls_free::operator()(ssl_ctx_st* context) const noexcept
{
    SSL_CTX_free(context);
}

tls_identity::tls_identity(std::string certificate_file, std::string key_file)
    : certificate_file_{std::move(certificate_file)}, key_file_{std::move(key_file)}
{
    read();
}

void tls_identity::read()
{
    check_readable(certificate_file_, "--tls-cert");
    check_readable(key_file_, "--tls-key");
    std::unique_ptr<ssl_ctx_st, tls_free> fresh{SSL_CTX_new(TLS_server_method())};
    if (!fresh) throw bad_certificate{"--tls-cert: OpenSSL cannot begin: " + reason()};
    set_up(*fresh);
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(fresh.get(), certificate_file_.c_str()) != 1) {
        throw bad_certificate{
            fmt::format("--tls-cert: {} has no certificate in PEM that can be used: {}", certificate_file_, reason())};
    }
    bool const has_key = SSL_CTX_use_PrivateKey_file(fresh.get(), key_file_.c_str(), SSL_FILETYPE_PEM) == 1;
    auto const code = has_key ? 0 : ERR_GET_REASON(ERR_peek_last_error());
    bool const of_another = code == X509_R_KEY_VALUES_MISMATCH || code == X509_R_KEY_TYPE_MISMATCH;
    if (!has_key && !of_another) {
        throw bad_certificate{
            fmt::format("--tls-key: {} has no private key in PEM without a passphrase: {}", key_file_, reason())};
    }
    // A key of another kind than the certificate's is taken as the one of a second certificate.
    if (of_another || SSL_CTX_check_private_key(fresh.get()) != 1) {
        throw bad_certificate{fmt::format("--tls-key: the key of {} is not the one of the certificate of {}", key_file_,
                                          certificate_file_)};
    }
    auto const* const certificate = SSL_CTX_get0_certificate(fresh.get());
    ends_ = end_of(*certificate);
    described_ = fmt::format("{}, until {:%Y-%m-%d %H:%M} UTC", subject_of(*certificate),
                             fmt::gmtime(std::chrono::system_clock::to_time_t(ends_)));
    context_ = std::move(fresh);
}

tls_session tls_identity::session() const
{
    return tls_session{SSL_new(context_.get())};
}

}  // namespace pgtally::server
