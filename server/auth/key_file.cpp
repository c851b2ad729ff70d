#include <pgtally/server/auth/base64url.hpp>
#include <pgtally/server/auth/key_file.hpp>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::string_view spaces = " \t\r\n";

key_file wrong(std::string_view why)
{
    return {.keys = {}, .wrong = std::string{why}};
}

// Whether the bytes are as DER of a key or a certificate: a SEQUENCE of the rest's length, which begins with another one or
// an INTEGER.
bool is_der(std::string_view bytes)
{
    auto const* at = reinterpret_cast<unsigned char const*>(bytes.data());
    long length = 0;
    int tag = 0, kind = 0;
    auto const form = ASN1_get_object(&at, &length, &tag, &kind, static_cast<long>(bytes.size()));
    ERR_clear_error();
    bool const sequence = (form & 0x80) == 0 && tag == V_ASN1_SEQUENCE && kind == V_ASN1_UNIVERSAL;
    auto const head = at - reinterpret_cast<unsigned char const*>(bytes.data());
    if (!sequence || length == 0 || head + length != static_cast<long>(bytes.size())) return false;
    return *at == (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED) || *at == V_ASN1_INTEGER;
}

// Whether the text is base64, of either alphabet and in lines or not, of DER.
bool is_der_in_base64(std::string_view content)
{
    std::string text;
    for (char const c : content) {
        if (spaces.find(c) != std::string_view::npos || c == '=') continue;
        text += c == '+' ? '-' : c == '/' ? '_' : c;
    }
    auto const bytes = base64url_decoded(text);
    return bytes && is_der(*bytes);
}

bool looks_public(std::string_view content)
{
    if (content.starts_with("ssh-") || content.starts_with("ecdsa-sha2-")) return true;
    return is_der(content) || is_der_in_base64(content);
}

key_file read_secret(std::string_view content)
{
    if (content.ends_with('\n')) content.remove_suffix(1);
    if (content.ends_with('\r')) content.remove_suffix(1);
    if (looks_public(content)) return wrong("it is a key, but neither PEM nor a JWKS");
    if (content.size() < token_key::least_secret_bytes)
        return wrong("it is neither PEM nor a JWKS, and a secret has at least 32 bytes");
    key_file out;
    out.keys.push_back(token_key::of_secret(std::string{content}, std::nullopt));
    return out;
}

}  // namespace

key_file read_pem(std::string_view content)
{
    key_file out;
    if (content.find("PRIVATE KEY-----") != std::string_view::npos)
        return wrong("it has a private key; the server needs the public one: openssl pkey -pubout");
    std::unique_ptr<BIO, decltype(&BIO_free)> const from{
        BIO_new_mem_buf(content.data(), static_cast<int>(content.size())), &BIO_free};
    constexpr std::string_view begin = "-----BEGIN ";
    std::size_t blocks = 0;
    for (auto at = content.find(begin); at != std::string_view::npos; at = content.find(begin, at + 1)) ++blocks;
    for (std::size_t i = 0; i < blocks; ++i) {
        std::shared_ptr<EVP_PKEY> const key{PEM_read_bio_PUBKEY(from.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
        ERR_clear_error();
        if (!key) return wrong("it has PEM that is not a public key (-----BEGIN PUBLIC KEY-----)");
        auto made = token_key::of_public(key, std::nullopt);
        if (!made) return wrong("a public key is neither RSA of at least 2048 bits, P-256 nor Ed25519");
        out.keys.push_back(std::move(*made));
    }
    if (out.keys.empty()) return wrong("it has PEM that is not a public key (-----BEGIN PUBLIC KEY-----)");
    return out;
}

key_file read_key_file(std::string_view content)
{
    if (content.find("-----BEGIN") != std::string_view::npos) return read_pem(content);
    auto const first = content.find_first_not_of(spaces);
    if (first == std::string_view::npos) return wrong("it is empty");
    if (content[first] == '{' || content[first] == '[') return read_jwks(content);
    return read_secret(content);
}

}  // namespace pgtally::server
