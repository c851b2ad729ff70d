#pragma once

#include <string>

namespace pgtally::server {

// Why OpenSSL does not trust a server's certificate.
struct certificate_fault {
    int code = 0;          // X509_V_ERR_…
    std::string names{};   // of the certificate: DNS names and addresses, as a list
    std::string begins{};  // of the certificate that is refused: the time from which it is valid
    std::string ends{};    // the time until which it is
};

// What is wrong with the certificate of `host`, and what to do: for people.
std::string explain(certificate_fault const& fault, std::string const& host);

}  // namespace pgtally::server
