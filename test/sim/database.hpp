#pragma once

// A small PostgreSQL: the parts that decide whether counters are exact.
//
// Model: writers have sessions with transactions, savepoints and locks. One counter assigns all ids, including those of
// subtransactions. A commit has two steps: it is flushed, then it becomes visible. A table is a file of rows, each with
// the id that wrote it. TRUNCATE and rewrites replace the file for all snapshots at once, as PostgreSQL does. Each
// transport has a stream of events. By notify, events arrive when their transaction becomes visible, one notifying
// commit at a time, and equal events of a transaction are folded; by wal, they arrive when the commit is flushed. A
// tally's events travel by the transport that its definition names. A changed definition is announced by NOTIFY, by its
// old transport and by its new one.
//
// If a request would wait for a lock, it returns false and does nothing.

#include "flaw.hpp"
#include "snapshot.hpp"
#include "transaction.hpp"

#include <memory>
#include <optional>
#include <span>

namespace pgtally::sim {

class database {
public:
    static constexpr std::size_t session_count = 3;

    struct options {
        std::size_t tallies = 1;
        meaning first[tally_count];
        flaw broken = flaw::none;
    };

    // An entry of a stream, and the fingerprint of each tally's truth after it.
    struct entry {
        std::string text;
        bool ends = true;  // the last of its transaction
        std::array<std::uint64_t, tally_count> truth;
        std::uint64_t forged = 0;  // the id that a forger used; 0: genuine
        std::size_t forged_for = 0;
        // `forged` is the id of a transaction whose change no event tells: only a look finds it.
        bool unseen = false;
    };

    // The table that a tally is materialized in; a key without a row has no value.
    using kept_table = std::array<std::optional<numbers>, key_count>;

    database(options chosen, std::span<sums const> rows);

    // Writers. Each begins a transaction if none is open.
    bool write(std::size_t who, std::size_t tally, std::span<changed_key const> keys);
    bool write_unseen(std::size_t who, std::size_t tally, changed_key const& what);  // and tally.reload
    bool write_uncounted(std::size_t who, std::size_t tally, changed_key const& what, bool broken);
    bool truncate(std::size_t who, std::size_t tally);
    bool rewrite(std::size_t who, std::size_t tally);
    bool define(std::size_t who, std::size_t tally, meaning const& what);
    bool set_savepoint(std::size_t who);
    bool rollback_to_savepoint(std::size_t who);
    bool flush(std::size_t who);  // the first half of a commit
    bool show(std::size_t who);   // the second half: the transaction becomes visible
    bool rollback(std::size_t who);
    session const& writer(std::size_t who) const noexcept { return sessions_[who]; }

    // Renames a source, or restores its name. Its triggers follow it, and no event announces it.
    bool rename_source(std::size_t tally);
    bool source_lost(std::size_t tally) const noexcept { return tables_[tally].lost; }

    // Changes without any event, each in a separate transaction. They change what the source is.
    bool change_unseen(std::size_t tally, changed_key const& what);
    bool restore(std::size_t tally, meaning const& as);  // a dump, with another definition of the tally
    bool drop_triggers(std::size_t tally);
    bool triggers_lost(std::size_t tally) const noexcept { return tables_[tally].untriggered; }
    std::string what_source_is(std::size_t tally) const;  // its fingerprint

    // tally.reload that makes the triggers again: the same definition under another number.
    bool repair(std::size_t tally, unsigned v);

    // Readers.
    snapshot look() const;
    sums truth(std::size_t tally, snapshot const& as_of) const;
    meaning const& definition(std::size_t tally) const noexcept { return tables_[tally].now; }
    std::uint64_t draw();  // the id of a transaction that does nothing else
    bool share(std::size_t tally);
    void unshare(std::size_t tally) noexcept { --tables_[tally].shared; }
    bool may_send(std::size_t by) const noexcept;
    bool send(std::size_t by, std::string text);  // a barrier, in a separate transaction
    void forge(std::size_t by, std::size_t tally, changed_key const& what);
    void send_reload(std::size_t tally);  // in a separate transaction

    // The streams: entries from `first_entry` on can still be received.
    std::vector<entry> const& stream(std::size_t by) const noexcept { return streams_[by].entries; }
    std::size_t first_entry(std::size_t by) const noexcept { return streams_[by].first; }
    std::uint64_t truth_at(std::size_t by, std::size_t tally, std::size_t position) const noexcept;

    // The last transaction that sent an event of a tally, and where the transaction ends in the stream; 0: none.
    struct told_write {
        std::uint64_t xid = 0;
        std::size_t by = notify, position = 0;
    };
    told_write const& last_write(std::size_t tally) const noexcept { return last_writes_[tally]; }

    // Materialization.
    bool lock_kept(std::size_t tally);
    void unlock_kept(std::size_t tally) noexcept { tables_[tally].kept_locked = false; }
    kept_table const& kept(std::size_t tally) const noexcept { return tables_[tally].kept; }
    bool keep(std::size_t tally, kept_table const& what);  // sets the keys that have a value, or none of them

    // A constraint of that table.
    static bool refuses(std::size_t key, numbers const& value) noexcept { return key == 5 && value[0] % 3 == 1; }

    // Faults. A crash ends all sessions and loses the events that were not received; a standby may have missed the last
    // commits.
    void crash();
    void stop();
    bool up() const noexcept { return up_; }
    unsigned life() const noexcept { return life_; }
    std::unique_ptr<database> promoted(std::size_t missing) const;

private:
    struct row {
        std::uint64_t xid;
        std::size_t key;
        numbers delta;
    };
    struct table {
        std::vector<row> file;
        meaning now;
        int shared = 0;                    // ACCESS SHARE
        kept_table kept{}, kept_before{};  // a standby may have missed the last batch
        bool kept_locked = false;
        bool lost = false;         // the table does not have the name in the definition
        bool untriggered = false;  // it has no triggers
        std::uint64_t is = 0;      // the id that last changed what the table is
    };

    // A stream has events of all tallies, also of those whose events travel by the other stream. No server that follows
    // the stream serves those.
    struct told_stream {
        std::vector<entry> entries;
        std::size_t first = 0;
        sums told[tally_count]{};
        meaning told_as[tally_count];
        std::array<std::uint64_t, tally_count> truth_before{}, truth_told{};
    };

    session& begin(std::size_t who);
    bool free_for(std::size_t who, std::size_t tally, bool exclusive) const noexcept;
    bool held(std::size_t tally, bool by_writers) const noexcept;
    bool do_at_once(std::size_t tally, deed what, std::string text);
    meaning const& seen_by(session const& s, std::size_t tally) const noexcept;
    std::uint64_t next_n() noexcept { return options_.broken == flaw::fold ? 1 : ++n_; }
    void add_message(session& s, std::size_t tally, std::string text, std::vector<deed> tells);
    void do_to_table(committed const& work);
    void tell(std::size_t by, committed const& work, bool received);
    void append(told_stream& to, std::string text, bool ends) const;
    void end(session& s);

    options options_;
    std::vector<sums> initial_;
    table tables_[tally_count];
    session sessions_[session_count];
    std::vector<committed> history_;  // in the order of their flushes
    told_stream streams_[transport_count];
    told_write last_writes_[tally_count];
    std::uint64_t next_xid_ = 10, last_completed_ = 9, n_ = 0;
    unsigned life_ = 0;
    bool up_ = true;
};

}  // namespace pgtally::sim
