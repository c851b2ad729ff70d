#include <pgtally/db/error.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db {
namespace {

class category final : public boost::system::error_category {
public:
    [[nodiscard]] char const* name() const noexcept override { return "pgtally.db"; }

    [[nodiscard]] std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
            case errc::bad_config: return "the connection string is not valid";
            case errc::connect_failed: return "cannot connect";
            case errc::login_failed: return "the server refuses the login";
            case errc::read_only: return "the server is read only";
            case errc::tls_failed: return "the connection cannot be encrypted";
            case errc::connection_lost: return "the connection is lost";
            case errc::timed_out: return "the operation took too long";
            case errc::server_error: return "the server refused the statement";
            case errc::bad_result: return "the result does not match the request";
            case errc::bad_parameter: return "the statement or a parameter cannot be sent";
            case errc::closed: return "the connection is closed";
            case errc::busy: return "another operation is under way on this connection";
            case errc::overloaded: return "too many callers are waiting";
            case errc::not_shareable: return "the statement is not allowed on a shared connection";
        }
        return "unknown error " + std::to_string(value);
    }
};

bool is_sqlstate_char(char c) noexcept
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

}  // namespace

sqlstate::sqlstate(std::string_view code) noexcept
{
    if (code.size() == code_.size() && std::all_of(code.begin(), code.end(), is_sqlstate_char))
        std::copy(code.begin(), code.end(), code_.begin());
}

boost::system::error_category const& db_category() noexcept
{
    static category const instance;
    return instance;
}

error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), db_category()};
}

error::error() : error(error_code(), "no error") {}

error::error(error_code code, std::string line, diagnostics said)
    : system_error(code), body_(std::make_shared<body const>(body{std::move(line), std::move(said)}))
{
}

std::string detail::failure_line(std::string_view what, std::string_view why, sqlstate const& state)
{
    std::string text(what);
    text.append(" failed: ").append(why);
    if (!state.empty()) text.append(" (").append(state.view()).append(")");
    return text;
}

bool error::permanent() const noexcept
{
    return code() == errc::bad_config || code() == errc::login_failed || code() == errc::tls_failed;
}

}  // namespace pgtally::db
