#pragma once

#include <pgtally/db/error.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_conn;
struct pg_result;
struct pgNotify;

namespace pgtally::db {
class params;
}

/// libpq behind a thin wall: the one pair of files that calls it. Nothing here waits and nothing
/// knows Asio; each call is the libpq call of nearly the same name, its result and its oddities
/// made types. For the files of db/ alone, and no promise to others.
namespace pgtally::db::pq {

/// Options by keyword: "host", "port", ...
using options = std::map<std::string, std::string, std::less<>>;

/// The options that a connection string names. Throws error (bad_config) without a word of the
/// string.
options parse(std::string const& conninfo);

/// All options that libpq would use: those named, the environment's, the service file's, and its
/// defaults. Empty where libpq cannot tell; PQconnectStart then says why.
options effective(options const& named);

/// The value of an option, "" if it has none.
std::string_view get(options const& from, std::string_view keyword) noexcept;

/// "host:port/dbname as user". What could be part of a password in a mistyped URI (a name with an
/// @) is left out.
std::string describe(std::string_view places, std::string_view database, std::string_view user);

enum class status {
    empty,
    command_ok,
    tuples_ok,
    single_tuple,  ///< one row, and more to come
    copy_in,
    copy_out,
    copy_both,
    failed,
    pipeline_sync,
    pipeline_aborted
};

constexpr bool is_copy(status of) noexcept
{
    return of == status::copy_in || of == status::copy_out || of == status::copy_both;
}

class result {
public:
    result() = default;
    explicit result(pg_result* raw) noexcept : raw_(raw) {}

    [[nodiscard]] explicit operator bool() const noexcept { return raw_ != nullptr; }
    [[nodiscard]] status state() const noexcept;
    [[nodiscard]] std::size_t rows() const noexcept;
    [[nodiscard]] std::size_t columns() const noexcept;
    [[nodiscard]] std::string_view name(std::size_t column) const noexcept;
    [[nodiscard]] std::uint32_t type_oid(std::size_t column) const noexcept;
    [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const noexcept;
    [[nodiscard]] std::string_view value(std::size_t row, std::size_t column) const noexcept;
    [[nodiscard]] std::string_view affected() const noexcept;
    [[nodiscard]] std::string_view tag() const noexcept;

    /// What a failed result says. Without a server's answer, primary is libpq's own message.
    [[nodiscard]] diagnostics said() const;

    /// The C function of the server that raised it; "" if it does not say.
    [[nodiscard]] std::string_view raised_by() const noexcept;
    /// It came up inside a function, not in the statement itself.
    [[nodiscard]] bool has_context() const noexcept;

private:
    struct clear {
        void operator()(pg_result* raw) const noexcept;
    };
    std::unique_ptr<pg_result, clear> raw_{};
};

class notify {
public:
    explicit notify(pgNotify* raw) noexcept;
    [[nodiscard]] explicit operator bool() const noexcept { return raw_ != nullptr; }
    [[nodiscard]] std::string_view channel() const noexcept { return channel_; }
    [[nodiscard]] std::string_view payload() const noexcept { return payload_; }
    [[nodiscard]] std::int32_t sender() const noexcept { return sender_; }

private:
    struct free {
        void operator()(pgNotify* raw) const noexcept;
    };
    std::unique_ptr<pgNotify, free> raw_;
    std::string_view channel_{};
    std::string_view payload_{};
    std::int32_t sender_ = 0;
};

/// A NOTICE, WARNING, or the FATAL with which a server ends a connection that is idle.
struct notice {
    std::string severity;  ///< in English
    diagnostics said;
};

enum class poll { reading, writing, ok, failed };
enum class flushed { all, some, failed };
enum class copied {
    row,   ///< one message of the server's, a row in text format
    wait,  ///< none is there yet
    end,   ///< get_result() says how it ended
};

class conn {
public:
    conn() = default;

    /// PQconnectStartParams, with a notice receiver that only copies.
    explicit conn(options const& wanted);

    [[nodiscard]] explicit operator bool() const noexcept { return raw_ != nullptr; }
    [[nodiscard]] bool bad() const noexcept;
    [[nodiscard]] int socket() const noexcept;  ///< -1: libpq has closed it
    [[nodiscard]] poll connect_poll() noexcept;
    [[nodiscard]] bool needs_password() const noexcept;

    /// Why the connect failed, in one line, and the SQLSTATE that PQerrorMessage does not have by
    /// itself.
    [[nodiscard]] diagnostics connect_failure() const;

    /// To be called once when poll::ok came: non-blocking from here on.
    [[nodiscard]] bool finish_connect() noexcept;

    [[nodiscard]] bool send_query(std::string const& sql) noexcept;
    [[nodiscard]] bool send_query(std::string const& sql, params const& values, bool binary);
    [[nodiscard]] flushed flush() noexcept;

    /// For the statement that was just sent: a result per row, and an empty one at the end.
    [[nodiscard]] bool single_rows() noexcept;

    /// Appends what the server sent of a copy_out; throws std::bad_alloc.
    [[nodiscard]] copied get_copy(std::string& into);
    /// Keeps what flush() then sends.
    [[nodiscard]] bool put_copy(std::string_view data) noexcept;
    /// With a reason (not null) the server throws away what it got.
    [[nodiscard]] bool end_copy(char const* reason) noexcept;

    /// From here on only these four send, and results come per statement: result(s) and a null one;
    /// per sync: pipeline_sync, without a null one. After a failed statement each up to the sync gives
    /// pipeline_aborted.
    [[nodiscard]] bool enter_pipeline() noexcept;
    [[nodiscard]] bool send_prepare(std::string const& name, std::string const& sql, params const& values);
    [[nodiscard]] bool send_prepared(std::string const& name, params const& values, bool binary);
    [[nodiscard]] bool send_sync() noexcept;

    /// False: the connection is lost. Also takes what OpenSSL holds decrypted, which would make no
    /// descriptor readable.
    [[nodiscard]] bool consume_input() noexcept;
    [[nodiscard]] bool is_busy() noexcept;
    [[nodiscard]] result get_result() noexcept;
    [[nodiscard]] notify next_notify() noexcept;
    [[nodiscard]] std::optional<notice> next_notice();

    /// PQerrorMessage in one line.
    [[nodiscard]] std::string message() const;

    [[nodiscard]] std::string describe() const;  ///< "host:port/dbname as user"
    [[nodiscard]] int server_version() const noexcept;
    [[nodiscard]] std::int32_t backend_pid() const noexcept;
    [[nodiscard]] bool in_transaction() const noexcept;
    [[nodiscard]] bool is_active() const noexcept;  ///< a statement was sent and has not ended

private:
    struct finish {
        void operator()(pg_conn* raw) const noexcept;
    };
    // On the heap, so that libpq's pointer to it stays right when this moves; destroyed after the
    // connection, which may still speak while it ends.
    std::unique_ptr<std::deque<notice>> notices_{};
    std::unique_ptr<pg_conn, finish> raw_{};
};

}  // namespace pgtally::db::pq
