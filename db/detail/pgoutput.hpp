#pragma once

#include <pgtally/db/lsn.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

/// What a server sends after START_REPLICATION with pgoutput's protocol version 1, and what is answered (PostgreSQL
/// manual, "Streaming Replication Protocol" and "Logical Replication Message Formats").
namespace pgtally::db::detail::pgoutput {

using time_point = std::chrono::sys_time<std::chrono::microseconds>;

/// The server says how far it has sent its WAL.
struct keepalive {
    lsn end{};
    bool asks = false;  ///< an answer is expected at once
};

struct begin {
    std::uint32_t xid = 0;
};

/// A logical message; the views point into what was decoded.
struct message {
    std::string_view prefix{};
    std::string_view content{};
};

struct commit {
    std::uint32_t xid = 0;
    lsn commit_record{};
    lsn end{};
    time_point at{};
};

/// Something that carries nothing for a reader of messages: rows, relations, types, origins, truncates, and messages that
/// are not transactional.
struct skipped {};

/// The bytes are not what a server sends.
struct malformed {
    std::string what{};  ///< one line, without content
};

using decoded = std::variant<skipped, keepalive, begin, message, commit, malformed>;

/// Decodes one CopyData after another. Knows whether a transaction is open, so that a message outside of one, or a
/// commit without a begin, is malformed. A pure class.
class decoder {
public:
    /// After `malformed` the stream cannot be continued.
    [[nodiscard]] decoded decode(std::string_view copy_data);

    /// True between a begin and its commit.
    [[nodiscard]] bool in_transaction() const noexcept { return open_; }

private:
    [[nodiscard]] decoded output(std::string_view bytes);

    bool open_ = false;
    std::uint32_t xid_ = 0;  // of the transaction that is open
};

/// The answer of a client: everything up to the position is written, flushed and applied.
[[nodiscard]] std::string status_update(lsn position, time_point now, bool asks);

}  // namespace pgtally::db::detail::pgoutput
