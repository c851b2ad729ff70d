#pragma once

// The fence: the MVCC snapshot that a load was read in.
//
// Model: a transaction is inside the snapshot, "visible", if it had committed when the snapshot was taken. PostgreSQL
// describes a snapshot by `xmin` (every transaction before it had ended), `xmax` (none from it on had), and the list of
// those in between that were in progress; see "Transaction ID and Snapshot Information Functions" in its manual. The
// ids are 64 bit: they never wrap.
//
// Guarantee: an event whose transaction committed is inside the load if and only if the fence contains its id. That the
// list stays for the life of the replica matters: an old transaction may commit days after the load.
//
// Not promised: anything about transactions that roll back. They send no events.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

// A 64-bit transaction id, as `pg_current_xact_id()` prints it.
enum class xid : std::uint64_t {};

// The id that `text` is, or nothing: decimal digits without sign, 3 (the first normal id) to 2^63.
std::optional<xid> parse_xid(std::string_view text) noexcept;

class fence {
public:
    // The snapshot that `text` (`pg_current_snapshot()::text`, "xmin:xmax:x1,x2,…") describes, or nothing if it does
    // not.
    static std::optional<fence> parse(std::string_view text);

    // Whether the load has this transaction's rows, given that it committed.
    bool contains(xid transaction) const noexcept;

private:
    std::uint64_t xmin_ = 0, xmax_ = 0;
    std::vector<std::uint64_t> in_progress_;  // ascending
};

}  // namespace pgtally::cache
