#pragma once

// Keeps the table of one tally equal to the tally, unless another server does.
//
// Model: the materializer has a session of its own, which holds the advisory lock of the tally and writes. If the
// session is lost, the lock is lost with it. Every `every` the materializer looks up the table and runs one round of
// the plan (materializer_plan). Without the lock it tries again periodically; with a new lock it begins with a full
// pass. If the tally is not live, nothing is written. If that lasts, the materializer gives up the lock, and another
// server takes it.
//
// Guarantees: reading and encoding the tally takes small slices of a turn. A failure is counted, logged once for each
// reason until all is well again, and retried after growing pauses. Rows that a constraint refuses are skipped until
// they change, or until the next full pass.
//
// Not promised: a correct table while other programs write it. The next full pass repairs it.

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/materialize/materializer_plan.hpp>
#include <pgtally/server/materialize/materializer_table.hpp>
#include <pgtally/server/materialize/reasons.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace pgtally::server {

struct materialize_counters {
    struct of_tally {
        std::uint64_t failures = 0;  // rounds that failed
        std::uint64_t refused = 0;   // rows that a constraint refused
        bool writes = false;         // this server has the lock
        std::size_t pending = 0;     // keys that changed and are not in the table yet; 0 if another server writes
    };
    std::uint64_t keys = 0;  // rows written
    std::map<std::string, of_tally, std::less<>> tallies;
};

class materializer {
public:
    struct sources {
        replica_set& replicas;
        db::config database;
        std::chrono::milliseconds every;
        limits const& bounds;
        materialize_counters& counted;
    };

    materializer(asio::any_io_executor executor, sources with, std::string tally);

    // Runs until the tally is dropped or has no table any more, or until `finish` or `cut`.
    asio::awaitable<void> run();

    // To be called after each change of the replicas.
    void on_replicas_changed() noexcept;

    // Whether this server writes the table, and how many keys changed that are not in it yet.
    bool writes() const noexcept { return has_lock_; }
    std::size_t pending() noexcept;

    // Starts the next round at once, as a full pass: another program may have changed the table.
    void full_pass() noexcept;

    // Short pauses between rounds from now on: the server drains.
    void hurry() noexcept;

    // `finish`: one more round if this materializer has the lock, then `run` ends. `cut`: `run` ends now.
    void finish() noexcept;
    void cut() noexcept;

private:
    using clock = std::chrono::steady_clock;

    cache::tally* wanted() noexcept;
    cache::tally* live() noexcept;
    bool over() noexcept { return cut_ || wanted() == nullptr; }
    asio::awaitable<void> until_live();
    asio::awaitable<bool> attempt();
    asio::awaitable<bool> take_lock();
    asio::awaitable<void> look_at_table();
    asio::awaitable<void> round();
    asio::awaitable<void> write();
    asio::awaitable<void> read();
    void failed(std::string const& why);
    void say(std::string const& reason, std::string_view before);
    void all_is_well();

    asio::any_io_executor executor_;
    sources with_;
    std::string const name_;
    db::connection connection_;
    db::detail::signal wake_;
    materializer_plan plan_;
    materializer_table table_;
    std::string table_epoch_;  // of the definition that the statements in table_ are for
    std::chrono::milliseconds pause_;
    bool has_lock_ = false, waits_ = false, finishing_ = false, cut_ = false, logged_standby_ = false,
         in_trouble_ = false;
    std::uint64_t made_in_ = 0;  // the reconnects of the replicas when the session was opened
    std::uint64_t refused_ = 0;  // rows, in the current round
    std::string refusal_;        // the last reason
    reasons said_;
};

}  // namespace pgtally::server
