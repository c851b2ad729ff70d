#pragma once

// What the coroutines of a replica_set share. A line above each group of functions names the file that defines them.

#include <pgtally/cache/barriers.hpp>
#include <pgtally/cache/dropped_payloads.hpp>
#include <pgtally/cache/event_dispatcher.hpp>
#include <pgtally/cache/load_schedule.hpp>
#include <pgtally/cache/look.hpp>
#include <pgtally/cache/rate_limiter.hpp>
#include <pgtally/cache/replica/awaited_positions.hpp>
#include <pgtally/cache/replica/awaited_writes.hpp>
#include <pgtally/cache/replica/catalog.hpp>
#include <pgtally/cache/replica/loader.hpp>
#include <pgtally/cache/replica/look_query.hpp>
#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/cache/replica/transport_slot.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/jitter_source.hpp>

#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <optional>
#include <set>
#include <vector>

namespace pgtally {

namespace asio = boost::asio;

struct replica_set::impl : event_dispatcher::owner {
    using clock = std::chrono::steady_clock;

    // The shortest time for which the host of the other side may acknowledge nothing, however short the heartbeats are.
    static constexpr std::chrono::milliseconds min_peer_timeout{5'000};

    // The most keys of a load's difference that are logged.
    static constexpr std::size_t max_logged_drift = 20;

    // Any role can send events that cause a reading of the definitions: at most this many readings run without a pause,
    // then one per interval.
    static constexpr int max_quick_readings = 10;
    static constexpr std::chrono::milliseconds reading_interval{250};

    // A caller that waits for an audit. If the caller is slow, the request outlives the audit.
    struct audit_request {
        std::string epoch;      // of the tally when the audit was requested
        bool compared = false;  // the comparison is complete: a loss no longer ends the audit
        bool done = false;
        audit_report report;
        db::detail::signal changed;

        audit_request(asio::any_io_executor executor, std::string of)
            : epoch{std::move(of)}, changed{std::move(executor)}
        {
        }
    };

    struct write_barrier;
    class own_barrier;
    class own_position;

    // A connection that loads, and the load that it carries out.
    struct loader {
        db::connection connection;
        std::uint64_t generation = 0;               // of the connection
        db::detail::signal work;                    // there may be an order
        std::optional<load_schedule::order> order;  // while it is carried out
        std::optional<cache::load_report> report;   // once the tables are compared
        db::detail::signal done;                    // the barrier is back, or the load was given up

        explicit loader(asio::any_io_executor executor) : connection{executor}, work{executor}, done{executor} {}
    };

    // How a load ended, if it did not succeed.
    struct load_ending {
        std::optional<std::string> failure;  // its text
        std::string state;                   // its SQLSTATE
        cache::reason::kind what = cache::reason::kind::load_failed;
        bool given_up = false, permanent = false, other_definition = false;
    };

    impl(asio::any_io_executor chosen_executor, config chosen);

    // replica_set.cpp
    asio::awaitable<void> run();
    void stop();
    void start(asio::awaitable<void> coroutine, char const* name);
    void die(char const* name, std::exception_ptr failure) noexcept;
    void log(db::level level, std::string const& line) const;
    void end_turn();
    std::unique_ptr<barrier_wait> expect_barrier();
    // How long to wait for what takes almost no time: the return of a heartbeat or barrier, an answer that needs no
    // work.
    std::chrono::milliseconds answer_time() const noexcept
    {
        return settings.heartbeat * transport_watch::missed_heartbeats;
    }
    cache::tally* find(std::string_view name) noexcept;

    // transports.cpp
    asio::awaitable<void> run_transport(std::shared_ptr<transport> channel);
    void open_transport(std::size_t index);
    void close_transport(std::size_t index);
    void use_transports();
    // If the set does not have the tally's transport, fails the tally and returns true.
    bool fail_without_transport(cache::tally& tally);
    // The index of a tally's transport, for `schedule`. If the set does not have it, an index that never opens.
    std::size_t index_of(cache::tally const& tally) const noexcept;

    // receive.cpp
    asio::awaitable<void> receive(std::size_t index, std::shared_ptr<transport> from);
    void database_answers() noexcept;
    void look_ahead(std::span<transport::signal const> signals);
    void on(std::size_t index, transport::opened const& e);
    void on(std::size_t index, transport::lost const& e);
    void on(std::size_t index, transport::payload const& e);
    void on(std::size_t index, transport::begin const& e);
    void on(std::size_t index, transport::commit const&);
    void applied(cache::event const& e) override;
    void drop(std::string_view reason) override;
    void report_drops();

    // control.cpp: definitions, on the connection that heartbeats and reads of problems use too
    asio::awaitable<void> control();
    asio::awaitable<void> control_turn(db::connection& connection);
    asio::awaitable<void> refresh_definitions(db::connection& connection);
    asio::awaitable<void> look_again(db::connection& connection);
    void reconcile(catalog seen);
    void add_tally(cache::definition what);
    void remove_tally(std::string const& name);
    void want_definitions() override;
    void control_failed(db::error const& e);
    void give_up_load(std::string const& name) override;

    // heartbeats.cpp
    asio::awaitable<void> send_heartbeats(db::connection& connection);
    asio::awaitable<void> send_heartbeat(db::connection& connection, std::size_t index);
    void let_wal_go(std::size_t index, std::uint64_t held);
    asio::awaitable<void> explain_waits(db::connection& connection);
    asio::awaitable<void> watch_transports();
    bool heartbeat_back(std::size_t index, std::string_view id) override;
    clock::time_point next_heartbeat() const noexcept;

    // watch.cpp: what sources are in the database, and what is wrong with tallies
    struct looked {
        std::uint64_t number = 0;                       // of the look
        std::optional<std::vector<looked_tally>> rows;  // nothing if the schema does not look, or they were not read
        std::vector<found_in_tally> found;              // of the tallies whose findings were read
    };
    void want_look(std::string const& name) override;
    void hasten_look();
    asio::awaitable<looked> look_around(db::connection& connection, int version);
    asio::awaitable<void> read_looks(db::connection& connection, looked& seen);
    asio::awaitable<void> read_all(db::connection& connection, looked& seen, bool looks_too);
    bool any_renamed(std::vector<looked_tally> const& rows);
    void take_look(looked const& seen);
    void take_findings(found_in_tally const& found, cache::tally& tally);

    // repairs.cpp
    asio::awaitable<void> repair_forever();
    asio::awaitable<void> repair(std::string name);

    // applied.cpp: read your writes
    asio::awaitable<bool> applied(std::string name, std::optional<cache::xid> transaction, clock::time_point until,
                                  own_barrier* sent);
    asio::awaitable<void> send_write_barriers(db::connection& connection);
    asio::awaitable<void> send_write_barrier(db::connection& connection, std::size_t index);
    void take_write_barrier(write_barrier const& sent);
    void look_at(awaited_write& write);
    void look_at_writes();
    void ask_writes_again(std::size_t transport);
    clock::time_point next_write_barrier() const noexcept;

    // positions.cpp
    std::unique_ptr<position_wait> expect_position(std::string tally, cache::since_point at);

    // audits.cpp
    asio::awaitable<audit_report> audit(std::string name, clock::time_point until);
    asio::awaitable<void> finish_audit(loader& mine);
    void audit_compared(loader& mine, std::vector<std::string> reasons);
    void end_audit(std::string const& name, audit_outcome outcome, std::string why);
    void look_at_audits();
    void let_audits_go();

    // rankings.cpp
    asio::awaitable<void> rank_forever();
    asio::awaitable<bool> ranked(std::string name, std::string by, clock::time_point until);
    void let_ranked_look() noexcept;

    // loads.cpp: loads that `schedule` orders
    void give_up_old_loads();
    asio::awaitable<void> load_forever(loader& mine);
    asio::awaitable<void> load_one(loader& mine);
    asio::awaitable<void> attempt_load(loader& mine);
    void load_waits(cache::tally& tally, cache::reason why);
    asio::awaitable<void> await_barrier(loader& mine, std::shared_ptr<transport> by, std::size_t index);
    asio::awaitable<void> compare(loader& mine);
    cache::tally* target_of(loader const& mine) noexcept;
    void take_report(loader& mine, std::optional<cache::load_report> report);
    void load_done(loader& mine);
    void log_drift(std::string const& name, cache::load_report const& report);
    void end_load(loader& mine, std::optional<load_ending> const& ending);
    void load_failed(load_schedule::order const& order, cache::tally& tally, load_ending const& ending);
    void want_load(std::string_view name, load_cause cause) override;
    void wake_loaders();

    asio::any_io_executor executor;
    config settings;
    std::vector<transport_slot> transports;  // by index; 0 is `notify`. Their number never changes
    tallies replicas;
    load_schedule schedule;
    pgtally::look looks;
    std::map<std::string, std::shared_ptr<audit_request>, std::less<>> audits;  // wanted or under way, by tally
    std::map<std::string, std::string, std::less<>> load_trouble;  // by tally; why its last load failed, as logged
    std::vector<std::unique_ptr<loader>> loaders;
    barriers expected;
    event_dispatcher received;
    awaited_writes writes;
    awaited_positions positions;
    std::set<db::detail::signal*> awaiting_rankings;
    std::uint64_t last_write = 0;
    counters counted;
    std::chrono::system_clock::time_point looked_at_clock{};  // for the lag of events
    unsigned events_timed = 0;                                // of the batch that is being applied
    dropped_payloads dropped;

    std::uint64_t openings = 0;  // of all transports
    bool stopping = false, definitions_known = false;
    rate_limiter readings{reading_interval, max_quick_readings};
    int schema_version = 0;
    cache::reason control_trouble;
    bool control_trouble_permanent = false;
    clock::time_point last_look{}, next_look{}, next_findings{};  // the last of all tallies
    clock::time_point next_explanation{};
    std::string look_trouble;
    db::detail::signal control_wake, watch_wake, repair_wake, rank_wake, ended;
    std::vector<db::connection*> open_connections;
    std::size_t running = 0;
    std::exception_ptr defect;  // the first exception that left a coroutine
};

}  // namespace pgtally
