#pragma once

#include <pgtally/db/event.hpp>
#include <pgtally/db/lsn.hpp>

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

/// What a wal_stream delivers.
namespace pgtally::db::wal {

/// A slot is made, or an overfull queue was discarded. In both cases earlier transactions may be missing: load again.
/// Every transaction that commits later is delivered. Everything delivered before counts as confirmed.
struct streaming {
    std::string slot{};
    std::string system_identifier{};  ///< of the cluster
    std::uint32_t timeline = 0;       ///< grows with each promotion
    std::uint32_t database = 0;       ///< its OID
    db::backend_pid backend{};        ///< the WAL sender
};

/// The slot cannot be made yet, because transactions of the cluster are open: of any database, prepared ones too.
/// pg_blocking_pids(backend) names those whom it waits for; 0 is a prepared transaction. The event is repeated for each
/// attempt.
struct waiting {
    db::backend_pid backend{};
};

/// A committed transaction that emitted messages of the prefix.
///
/// *Lifetime*: `messages` is valid as long as the batch that contains it.
struct transaction {
    std::uint32_t xid = 0;
    lsn commit{};                                           ///< where its commit record begins: the order of commits
    lsn end{};                                              ///< where its commit record ends: what to confirm()
    std::chrono::sys_time<std::chrono::microseconds> at{};  ///< the time of its commit, by the server's clock
    std::span<std::string_view const> messages{};           ///< in the order in which they were emitted
    bool complete = true;  ///< false: there were more than max_transaction_bytes, and `messages` is empty
};

using event = std::variant<transaction, streaming, waiting, lost>;

}  // namespace pgtally::db::wal
