#pragma once

// The fence: the MVCC snapshot in which a load was read.
//
// Model: a snapshot sees the transactions that had committed when it was taken. PostgreSQL describes it by `xmin`
// (every transaction below it had ended), `xmax` (no transaction from it on had ended), and the list of the
// transactions between them that were in progress: see "Transaction ID and Snapshot Information Functions" in the
// PostgreSQL manual. The ids have 64 bits and never wrap around.
//
// Guarantees: if a transaction committed, its changes are in the load if and only if the fence contains its id. The
// fence keeps the whole list, because a transaction that was in progress may commit days after the load.
//
// Not promised: anything about transactions that roll back. They send no events.
//
// Threads: distinct objects may be used on any threads, one object on one at a time.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

// A 64-bit transaction id, as `pg_current_xact_id()` prints it.
enum class xid : std::uint64_t {};

// Smaller ones are not those of transactions.
inline constexpr std::uint64_t first_normal_xid = 3;

// Parses a transaction id: decimal digits without a sign, from 3 (the first normal id) to 2^63. Returns nothing if `text`
// is no such id.
std::optional<xid> parse_xid(std::string_view text) noexcept;

class fence {
public:
    // Parses a snapshot as `pg_current_snapshot()` prints it: "xmin:xmax:x1,x2,…". Returns nothing if `text` is not one.
    static std::optional<fence> parse(std::string_view text);

    // Whether the load contains this transaction's changes, if the transaction committed.
    bool contains(xid transaction) const noexcept;

private:
    std::uint64_t xmin_ = 0, xmax_ = 0;
    std::vector<std::uint64_t> in_progress_;  // ascending
};

}  // namespace pgtally::cache
