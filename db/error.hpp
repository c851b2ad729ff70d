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

/// A SQLSTATE of five characters, by value; empty if the server sent none. PostgreSQL manual, appendix
/// "PostgreSQL Error Codes".
class sqlstate {
public:
    sqlstate() = default;

    /// Text that is not five characters of 0-9 and A-Z gives the empty state.
    explicit sqlstate(std::string_view code) noexcept;

    [[nodiscard]] std::string_view view() const noexcept
    {
        return {code_.data(), empty() ? std::size_t{0} : code_.size()};
    }
    [[nodiscard]] bool empty() const noexcept { return code_[0] == '\0'; }
    [[nodiscard]] bool is(std::string_view code) const noexcept { return view() == code; }

    /// Compares the first two characters: "08" is a lost connection, "28" a refused login.
    [[nodiscard]] bool in_class(std::string_view prefix) const noexcept
    {
        return !empty() && view().substr(0, 2) == prefix;
    }

    friend bool operator==(sqlstate const&, sqlstate const&) = default;

private:
    std::array<char, 5> code_{};
};

enum class errc {
    /// The connection string cannot be parsed or contradicts itself. A retry does not help.
    bad_config = 1,
    /// No host could be reached, or no host matches target_session_attrs.
    connect_failed,
    /// The server refuses the password, the role or the database. A retry does not help.
    login_failed,
    /// The server is a standby, or read only by default, and target_session_attrs demands another one.
    read_only,
    /// The connection cannot be encrypted as the connection string demands: a certificate, its name, a key or a file
    /// is wrong. A retry does not help.
    tls_failed,
    /// The connection broke during use. It is unknown whether a statement took effect.
    connection_lost,
    /// The deadline of the operation passed. The connection stays open if it recovers (config::recovery_timeout).
    /// A session always stays open.
    timed_out,
    /// The server refused a statement. The connection is usable; a transaction may be aborted.
    server_error,
    /// The result does not have the requested columns or values, or a COPY was sent where none is allowed. The
    /// connection is usable.
    bad_result,
    /// A statement or parameter cannot be sent: it holds a NUL character or a value that PostgreSQL cannot hold.
    bad_parameter,
    /// The connection is not open, or was closed while the operation waited.
    closed,
    /// Another operation is in progress on this connection or stream, or run() or next() was called twice.
    busy,
    /// Too many callers are waiting. The statement was not sent.
    overloaded,
    /// The statement cannot run on a shared connection: it leaves a transaction open, or is a COPY.
    not_shareable,
};

boost::system::error_category const& db_category() noexcept;
error_code make_error_code(errc code) noexcept;

/// What PostgreSQL said about an error; fields that it did not send are empty.
struct diagnostics {
    sqlstate state{};
    std::string primary{};
    std::string detail{};
    std::string hint{};
    std::string statement{};  ///< the SQL text, never its parameters
};

class error;

/// What an operator can do about an error, in words that begin a sentence; empty if there is no general advice.
std::string_view remedy_of(error const& failure) noexcept;

/// The exception type of this library. code() is an errc, or asio::error::operation_aborted if the waiting
/// coroutine was cancelled. Asio throws its own plain system_error if a cancelled coroutine awaits again. what()
/// is one line: what failed, on what, why (SQLSTATE). The texts contain no connection string, password or
/// parameter. A server's primary() and detail() quote data ("Key (id)=(7) already exists"). Copying is cheap and
/// does not throw.
class error : public boost::system::system_error {
public:
    /// No error: code() is 0. error() of a successful outcome returns this.
    error();
    error(error_code code, std::string line, diagnostics said = diagnostics());

    [[nodiscard]] char const* what() const noexcept override { return body_->line.c_str(); }

    [[nodiscard]] sqlstate const& state() const noexcept { return body_->said.state; }
    [[nodiscard]] std::string_view primary() const noexcept { return body_->said.primary; }
    [[nodiscard]] std::string_view detail() const noexcept { return body_->said.detail; }
    [[nodiscard]] std::string_view hint() const noexcept { return body_->said.hint; }
    [[nodiscard]] std::string_view statement() const noexcept { return body_->said.statement; }

    /// True if a retry without a change on either side cannot succeed: bad_config, login_failed, tls_failed.
    [[nodiscard]] bool permanent() const noexcept;

private:
    struct body {
        std::string line;
        diagnostics said;
    };
    std::shared_ptr<body const> body_;
};

namespace detail {
/// Returns "query on HOST failed: why (SQLSTATE)".
std::string failure_line(std::string_view what, std::string_view why, sqlstate const& state);
}  // namespace detail

}  // namespace pgtally::db

template <>
struct boost::system::is_error_code_enum<pgtally::db::errc> : std::true_type {};
