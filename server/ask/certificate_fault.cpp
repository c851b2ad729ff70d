#include <pgtally/server/ask/certificate_fault.hpp>

#include <openssl/x509_vfy.h>

namespace pgtally::server {

std::string explain(certificate_fault const& fault, std::string const& host)
{
    switch (fault.code) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "the server's certificate expired on " + fault.ends +
                   ": renew it at the server; if that date is to come, set this machine's clock";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "the server's certificate is valid from " + fault.begins +
                   " only: set this machine's clock, or renew the certificate";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "the server's certificate is not for " + host + " but for " +
                   (fault.names.empty() ? "no name" : fault.names) +
                   ": use a name of the certificate in --url, or get a certificate for " + host;
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "the server's certificate is not trusted: nobody whom this machine trusts signed it. Name the "
                   "certificate of who did by --ca-file FILE; if it is a known authority, the server must send its "
                   "whole chain";
        case X509_V_ERR_CERT_REVOKED: return "the server's certificate was revoked: renew it at the server";
        default: break;
    }
    return std::string{"the server's certificate is not accepted ("} + ::X509_verify_cert_error_string(fault.code) +
           "): replace it at the server";
}

}  // namespace pgtally::server
