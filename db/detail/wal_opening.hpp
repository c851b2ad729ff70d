#pragma once

#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/lsn.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

/// The steps before a stream of logical messages, on an open replication connection.
namespace pgtally::db::detail {

/// What the server says about itself.
struct wal_source {
    std::string system_identifier{};
    std::uint32_t timeline = 0;
    std::uint32_t database = 0;
    std::chrono::milliseconds sender_timeout{0};  ///< wal_sender_timeout; 0: none
};

/// *Errors*: server_error with 42704 if the publication does not exist, which the server itself says only at the first
/// change of a row, and 18 never.
asio::awaitable<wal_source> identify_source(connection_core::pointer core, std::string publication);

struct wal_slot {
    std::string name{};
    lsn start{};  ///< every transaction that commits later is streamed
};

/// Draws a random number for the name of a slot.
using wal_draw = std::function<std::uint32_t()>;

struct slot_timeouts {
    std::chrono::milliseconds patience;  ///< with each open transaction
    std::chrono::milliseconds answer;    ///< of the server, to everything else
};

/// Makes a temporary slot, under another name if one is in use. Returns nothing if a transaction stayed open for longer
/// than the patience.
asio::awaitable<std::optional<wal_slot>> create_slot(connection_core::pointer core, std::string prefix, wal_draw draw,
                                                     slot_timeouts timeouts);

/// The command that begins the stream.
[[nodiscard]] std::string start_replication(std::string_view slot, std::string_view publication);

}  // namespace pgtally::db::detail
