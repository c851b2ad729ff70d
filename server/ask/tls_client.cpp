#include <pgtally/server/ask/tls_client.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <memory>
#include <stdexcept>
#include <string_view>

namespace pgtally::server {

namespace ssl = boost::asio::ssl;

namespace {

bool is_address(std::string const& host)
{
    in6_addr parsed{};
    return ::inet_pton(AF_INET, host.c_str(), &parsed) == 1 || ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

std::string text_of(ASN1_TIME const* time)
{
    std::unique_ptr<BIO, decltype(&::BIO_free)> const out{::BIO_new(::BIO_s_mem()), &::BIO_free};
    if (!out || time == nullptr || ::ASN1_TIME_print(out.get(), time) != 1) return "an unknown date";
    char* text = nullptr;
    auto const size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string text_of(GENERAL_NAME const& name)
{
    auto const* const bytes = ::ASN1_STRING_get0_data(name.type == GEN_DNS ? name.d.dNSName : name.d.iPAddress);
    auto const size = ::ASN1_STRING_length(name.type == GEN_DNS ? name.d.dNSName : name.d.iPAddress);
    if (name.type == GEN_DNS) return {reinterpret_cast<char const*>(bytes), static_cast<std::size_t>(size)};
    char text[INET6_ADDRSTRLEN] = "";
    ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text);
    return text;
}

// The names that a certificate is for. A common name is none (RFC 6125, 6.4.4).
std::string names_of(X509* certificate)
{
    constexpr int most = 5;
    using names = std::unique_ptr<GENERAL_NAMES, decltype(&::GENERAL_NAMES_free)>;
    names const all{
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &::GENERAL_NAMES_free};
    std::string out;
    int listed = 0;
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        auto const* const name = sk_GENERAL_NAME_value(all.get(), i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
        if (++listed > most) return out + ", …";
        out += (out.empty() ? "" : ", ") + text_of(*name);
    }
    return out;
}

int place_in_ssl()
{
    static int const place = ::SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return place;
}

}  // namespace

tls_client::tls_client(std::string const& ca_file) : context_{ssl::context::tls_client}
{
    auto* const native = context_.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    context_.set_default_verify_paths();
    // A certificate of `ca_file` is trusted by itself, whoever signed it.
    ::X509_VERIFY_PARAM_set_flags(::SSL_CTX_get0_param(native), X509_V_FLAG_PARTIAL_CHAIN);
    boost::system::error_code failure;
    if (!ca_file.empty()) context_.load_verify_file(ca_file, failure);
    if (failure) {
        throw std::runtime_error{"--ca-file: " + ca_file +
                                 " cannot be read, or holds no certificate: it must be a file of certificates in PEM"};
    }
    ::SSL_CTX_set_verify(native, SSL_VERIFY_PEER, take_note);
}

void tls_client::expect(SSL* of, std::string const& host)
{
    host_ = host;
    auto* const wanted = ::SSL_get0_param(of);
    ::X509_VERIFY_PARAM_set_hostflags(wanted,
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    static constexpr unsigned char alpn[] = "\x08http/1.1";
    bool good =
        ::SSL_set_ex_data(of, place_in_ssl(), this) == 1 && ::SSL_set_alpn_protos(of, alpn, sizeof alpn - 1) == 0;
    if (is_address(host)) {
        good = good && ::X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
    } else {
        // RFC 6066, 3: the name of the server, without a dot at its end.
        auto const name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
        good = good && ::X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size()) == 1 &&
               SSL_set_tlsext_host_name(of, name.c_str()) == 1;
    }
    if (!good) throw std::runtime_error{"OpenSSL cannot verify the name " + host};
}

int tls_client::take_note(int good, X509_STORE_CTX* seen)
{
    if (good == 1) return good;
    auto const* const of =
        static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(seen, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* const self = static_cast<tls_client*>(::SSL_get_ex_data(of, place_in_ssl()));
    auto& fault = self->fault_;
    fault.code = ::X509_STORE_CTX_get_error(seen);
    if (auto* const own = ::X509_STORE_CTX_get0_cert(seen)) fault.names = names_of(own);
    if (auto* const refused = ::X509_STORE_CTX_get_current_cert(seen)) {
        fault.begins = text_of(::X509_get0_notBefore(refused));
        fault.ends = text_of(::X509_get0_notAfter(refused));
    }
    return good;
}

std::string tls_client::explain(boost::system::error_code failure) const
{
    if (fault_.code != X509_V_OK) return server::explain(fault_, host_);
    if (failure.category() == boost::asio::error::get_ssl_category()) {
        switch (ERR_GET_REASON(static_cast<unsigned long>(failure.value()))) {
            case SSL_R_WRONG_VERSION_NUMBER:
            case SSL_R_PACKET_LENGTH_TOO_LONG:
            case SSL_R_HTTP_REQUEST: return "no TLS is spoken there: use http:// in --url, or another port";
            case SSL_R_UNSUPPORTED_PROTOCOL:
            case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
                return "the server speaks no TLS of version 1.2 or newer: allow that at the server";
            default: break;
        }
    }
    return "the TLS handshake: " + failure.message();
}

}  // namespace pgtally::server
