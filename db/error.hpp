#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pgtally::db {

using error_code = boost::system::error_code;

/// Five characters that say what went wrong, by value. Empty when the server said nothing.
/// The codes are those of PostgreSQL's appendix A.
class sqlstate {
public:
    sqlstate() = default;

    /// Anything but five characters of 0-9 and A-Z is the empty state.
    explicit sqlstate(std::string_view code) noexcept;

    [[nodiscard]] std::string_view view() const noexcept
    {
        return {code_.data(), empty() ? std::size_t{0} : code_.size()};
    }
    [[nodiscard]] bool empty() const noexcept { return code_[0] == '\0'; }
    [[nodiscard]] bool is(std::string_view code) const noexcept { return view() == code; }

    /// The first two characters: "08" is a lost connection, "28" a refused login.
    [[nodiscard]] bool in_class(std::string_view prefix) const noexcept
    {
        return !empty() && view().substr(0, 2) == prefix;
    }

    friend bool operator==(sqlstate const&, sqlstate const&) = default;

private:
    std::array<char, 5> code_{};
};

enum class errc {
    /// The connection string cannot be parsed, or contradicts itself. Waiting does not cure it.
    bad_config = 1,
    /// No host could be reached, or none is what target_session_attrs asks for.
    connect_failed,
    /// A server was reached and refuses the password, the role or the database. Waiting does not cure
    /// it, somebody must.
    login_failed,
    /// The connection broke while it was used; whether a statement took effect is not known.
    connection_lost,
    /// The deadline of the operation passed. The connection lives on if it can be brought to rest
    /// (config::recovery_timeout); a session lives on in any case.
    timed_out,
    /// The server refused a statement; the connection is usable, a transaction may be aborted.
    server_error,
    /// The result has not the columns or values that were asked for, or a COPY is not where it belongs;
    /// the connection is usable.
    bad_result,
    /// A statement or parameter that cannot be sent: it holds a NUL character, or a value that PostgreSQL
    /// cannot hold.
    bad_parameter,
    /// The connection is not open, or was closed while the operation waited.
    closed,
    /// Another operation is under way: on this connection, on this stream, or a second run() or next().
    busy,
    /// Too many callers wait already; the statement was not sent.
    overloaded,
    /// The statement is not for a connection that others use, too: it leaves a transaction open, or
    /// is a COPY.
    not_shareable,
};

boost::system::error_category const& db_category() noexcept;
error_code make_error_code(errc code) noexcept;

/// What PostgreSQL said, as far as it said it.
struct diagnostics {
    sqlstate state{};
    std::string primary{};
    std::string detail{};
    std::string hint{};
    std::string statement{};  ///< the SQL text, never its parameters
};

/// The one exception of this library. code() is an errc, or asio::error::operation_aborted when the
/// waiting coroutine was cancelled (which Asio itself may throw too, as a plain system_error, where
/// a cancelled coroutine awaits again). what() is one line: what failed, on what, why (SQLSTATE).
/// None of the texts ever holds a connection string, a password or a parameter; but a server's
/// primary() and detail() quote data ("Key (id)=(7) already exists"). Cheap to copy, and copying
/// never throws.
class error : public boost::system::system_error {
public:
    /// No error, code() is 0: what an outcome that succeeded has for error().
    error();
    error(error_code code, std::string line, diagnostics said = diagnostics());

    [[nodiscard]] char const* what() const noexcept override { return body_->line.c_str(); }

    [[nodiscard]] sqlstate const& state() const noexcept { return body_->said.state; }
    [[nodiscard]] std::string_view primary() const noexcept { return body_->said.primary; }
    [[nodiscard]] std::string_view detail() const noexcept { return body_->said.detail; }
    [[nodiscard]] std::string_view hint() const noexcept { return body_->said.hint; }
    [[nodiscard]] std::string_view statement() const noexcept { return body_->said.statement; }

    /// True where trying again without a change on either side is in vain: bad_config, login_failed.
    [[nodiscard]] bool permanent() const noexcept;

private:
    struct body {
        std::string line;
        diagnostics said;
    };
    std::shared_ptr<body const> body_;
};

namespace detail {
/// "query on HOST failed: why (SQLSTATE)".
std::string failure_line(std::string_view what, std::string_view why, sqlstate const& state);
}  // namespace detail

}  // namespace pgtally::db

template <>
struct boost::system::is_error_code_enum<pgtally::db::errc> : std::true_type {};
