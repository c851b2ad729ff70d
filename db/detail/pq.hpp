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

/// A thin layer over libpq. Only pq*.cpp include its header. Nothing here waits or depends on Asio. Each function
/// is the libpq function of nearly the same name, with types for its results (PostgreSQL manual, "libpq - C
/// Library"). For the files of db/ only; its interface may change.
namespace pgtally::db::pq {

/// Options by keyword: "host", "port", ...
using options = std::map<std::string, std::string, std::less<>>;

/// The options that a connection string names (PQconninfoParse). Throws error (bad_config), whose text does not
/// quote the string.
options parse(std::string const& conninfo);

/// All options that libpq would use: the named ones, the environment's, the service file's, and defaults; those that
/// are secret without their values. Empty if libpq cannot determine them; PQconnectStart then reports why.
options effective(options const& named);

/// The value of an option; "" if it has none.
std::string_view get(options const& from, std::string_view keyword) noexcept;

/// "host:port/dbname as user". Names with an @ are left out, because they may be part of a password in a mistyped
/// URI.
std::string describe(std::string_view places, std::string_view database, std::string_view user);

enum class status {
    empty,
    command_ok,
    tuples_ok,
    single_tuple,  ///< one row; more follow
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

    /// The diagnostics of a failed result. If the server sent none, primary is libpq's own message.
    [[nodiscard]] diagnostics said() const;

    /// The C function of the server that raised the error; "" if unknown.
    [[nodiscard]] std::string_view raised_by() const noexcept;
    /// True if the error came from inside a function, not from the statement itself.
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

/// One message of a copy_both (PQgetCopyData).
class copy_message {
public:
    copy_message() = default;
    copy_message(char* raw, std::size_t length) noexcept : raw_(raw), length_(length) {}
    [[nodiscard]] std::string_view bytes() const noexcept { return {raw_.get(), length_}; }

private:
    struct free {
        void operator()(char* raw) const noexcept;
    };
    std::unique_ptr<char, free> raw_{};
    std::size_t length_ = 0;
};

/// A NOTICE, a WARNING, or the FATAL with which a server ends an idle connection.
struct notice {
    std::string severity;  ///< in English
    diagnostics said;
};

enum class poll { reading, writing, ok, failed };
enum class flushed { all, some, failed };
enum class copied {
    row,   ///< one message of the server; a row in text format
    wait,  ///< none has arrived yet
    end,   ///< get_result() returns the outcome
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

    /// Why connecting failed, in one line, with the SQLSTATE, which PQerrorMessage does not contain by default.
    [[nodiscard]] diagnostics connect_failure() const;

    /// Call it once after poll::ok: switches to non-blocking mode (PQsetnonblocking).
    [[nodiscard]] bool finish_connect() noexcept;

    [[nodiscard]] bool send_query(std::string const& sql) noexcept;
    [[nodiscard]] bool send_query(std::string const& sql, params const& values, bool binary);
    [[nodiscard]] flushed flush() noexcept;

    /// For the statement sent last: one result per row, and an empty one at the end (PQsetSingleRowMode).
    [[nodiscard]] bool single_rows() noexcept;

    /// Appends data of a copy_out (PQgetCopyData). Throws std::bad_alloc.
    [[nodiscard]] copied get_copy(std::string& into);
    /// Takes one message of a copy_both, without a copy of its bytes.
    [[nodiscard]] copied get_copy(copy_message& into) noexcept;
    /// Queues data, which flush() sends (PQputCopyData).
    [[nodiscard]] bool put_copy(std::string_view data) noexcept;
    /// If `reason` is not null, the server discards the data (PQputCopyEnd).
    [[nodiscard]] bool end_copy(char const* reason) noexcept;

    /// From here on only these four functions send (PQenterPipelineMode). Results: per statement its result(s)
    /// and a null one; per sync pipeline_sync without a null one. After a failed statement, each statement up to
    /// the sync gives pipeline_aborted.
    [[nodiscard]] bool enter_pipeline() noexcept;
    [[nodiscard]] bool send_prepare(std::string const& name, std::string const& sql, params const& values);
    [[nodiscard]] bool send_prepared(std::string const& name, params const& values, bool binary);
    [[nodiscard]] bool send_sync() noexcept;

    /// Returns false if the connection is lost (PQconsumeInput). Also reads what OpenSSL holds decrypted, which
    /// makes no descriptor readable.
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
    // On the heap, so that libpq's pointer to it stays valid when this object moves. Destroyed after the
    // connection, which may raise notices while it ends.
    std::unique_ptr<std::deque<notice>> notices_{};
    std::unique_ptr<pg_conn, finish> raw_{};
};

}  // namespace pgtally::db::pq
