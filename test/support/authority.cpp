#include <pgtally/test/support/authority.hpp>

#include <cstdlib>
#include <stdexcept>

namespace pgtally::test {
namespace {

void shell(std::string const& command)
{
    if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

std::string const new_key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";

// The postmaster reads its settings and files a moment later, before it accepts the next connection.
void reload_until(cluster const& server, std::string const& setting, std::string const& value)
{
    server.sql("select pg_reload_conf()");
    constexpr int tries = 500;
    for (int i = 0; i < tries; ++i) {
        if (server.sql("show " + setting) == value) return;
        server.sql("select pg_sleep(0.01)");
    }
    throw std::runtime_error(setting + " does not become " + value);
}

}  // namespace

authority::authority(cluster const& beside, std::string name)
    : folder_(beside.folder() + "/certificates"), name_(std::move(name)), own_(files(name_))
{
    shell("mkdir -p " + folder_ + " && openssl req -new -x509 -days 2 -nodes -subj /CN=" + name_ + new_key + " -out " +
          own_.certificate + " -keyout " + own_.key + " 2>/dev/null && chown -R --reference=" + beside.folder() +
          "/data/PG_VERSION " + folder_);
}

key_pair authority::files(std::string const& name) const
{
    return {folder_ + "/" + name + ".crt", folder_ + "/" + name + ".key"};
}

key_pair authority::issue(std::string const& name, certificate_request const& what) const
{
    auto const made = files(name_ + "-" + name);
    auto const request = made.certificate + ".request";
    auto const locked = what.passphrase.empty() ? " -nodes" : " -passout pass:" + what.passphrase;
    // Only "openssl x509" makes certificates that have expired.
    shell("openssl req -new -subj /CN=" + what.subject + new_key + locked +
          " -addext subjectAltName=" + what.alternative + " -keyout " + made.key + " -out " + request +
          " 2>/dev/null && openssl x509 -req -copy_extensions copy -in " + request + " -CA " + own_.certificate +
          " -CAkey " + own_.key + " -CAcreateserial -days " + (what.expired ? "-1" : "2") + " -out " +
          made.certificate + " 2>/dev/null && chmod 600 " + made.key + " && chown --reference=" + folder_ + " " +
          made.key);
    return made;
}

void serve_tls(cluster const& server, key_pair const& with)
{
    server.sql("alter system set ssl_cert_file = '" + with.certificate + "'");
    server.sql("alter system set ssl_key_file = '" + with.key + "'");
    server.sql("alter system set ssl = on");
    reload_until(server, "ssl_cert_file", with.certificate);
}

void serve_plain(cluster const& server)
{
    for (char const* setting : {"ssl", "ssl_cert_file", "ssl_key_file"})
        server.sql(std::string("alter system reset ") + setting);
    reload_until(server, "ssl", "off");
}

}  // namespace pgtally::test
