#pragma once

// A pgtally server without its coroutines: the core of `cache/`, driven one step at a time.
//
// Model: this class plays what waits in cache/replica/ (receive.cpp, control.cpp, watch.cpp, heartbeats.cpp, loads.cpp,
// loader.cpp, applied.cpp). Each wait ends a step, so that anything can happen in between. The shipped code decides:
// `event_dispatcher`, `transport_watch`, `load_schedule`, `look`, `tally`, `fence`, `barriers`, the feed.

#include "asker.hpp"
#include "client.hpp"
#include "environment.hpp"
#include "random.hpp"
#include "schedule_rules.hpp"
#include "told_schedule.hpp"

#include <pgtally/cache/event_dispatcher.hpp>
#include <pgtally/cache/look.hpp>
#include <pgtally/cache/transport_watch.hpp>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::sim {

class host final : event_dispatcher::owner {
public:
    host(environment& around, std::string name, cache::limits const& bounds, std::size_t loaders, std::uint64_t seed);
    ~host();
    host(host const&) = delete;
    host& operator=(host const&) = delete;

    // Steps. Each one does what is possible now, perhaps nothing.
    void receive(std::size_t by, std::size_t at_most);  // connects, notices a loss, or takes what has arrived
    void control();                                     // one statement of the control connection
    void load(std::size_t which, std::uint32_t luck);
    void watch();  // the clock has advanced
    void reset(std::size_t tally, bool by_audit);
    void await_write(std::size_t tally);  // read your writes
    void take(std::size_t which);         // a subscriber's socket can take a message
    void change_subscription(std::size_t which, std::uint32_t how);
    void exchange_subscribers(host& other, std::size_t which);  // behind a balancer

    // Faults.
    void break_transport(std::size_t by);  // the server notices at once
    void leave_old();                      // the same, for links to another node than the named one
    void hush_transport(std::size_t by);   // the server does not notice
    void overflow(std::size_t by);         // too many events: the waiting ones are dropped
    void break_loader(std::size_t which);
    void break_control() { control_.connection.close(); }
    void nag(std::size_t tally, std::size_t times, std::size_t loader);  // calls tally.reload repeatedly

    void repair();  // tries to repair a tally, if one is to be repaired
    void mend();    // requests audits of tallies with forged events

    // `settled`: nothing is left to do. The checks throw `violation`: `check_quiet` at rest, the others at any time.
    bool settled();
    void check_served();
    void check_heard() const;  // after `watch`
    void check_quiet();

    event_dispatcher::tallies const& replicas() const noexcept { return tallies_; }
    cache::tally* find(std::string_view name) noexcept;
    std::string const& name() const noexcept { return name_; }

private:
    // The position of a commit is that of its last entry, so that there are numbers between two commits.
    static constexpr std::uint64_t position_of_entry = 10;

    // The state of a loader's coroutine while it waits.
    struct loader {
        enum class step { idle, connect, begin, draw, wait, lock, fence, rows, more_rows, commit, barrier, back };
        step at = step::idle;
        load_schedule::time_point wake_at = load_schedule::time_point::min();  // while it is idle
        std::optional<load_schedule::order> order;
        std::optional<cache::load_report> report;
        wire connection;
        std::uint64_t generation = 0, reopening = 0;  // in which the connection was made
        std::uint64_t drawn = 0;
        bool notified = false, begun = false, locked = false;
        std::size_t source = 0;
        snapshot seen;
        meaning as;
        sums rows{};  // by key, as the definition counts them
        std::string barrier;
        milliseconds deadline{0};
    };
    struct control_state {
        wire connection;
        std::uint64_t generation = 0;
        bool asked_catalog = false;
        std::uint64_t asked = 0;
        std::vector<meaning> seen;
        bool looked = false;  // the rows of a look were read; its findings are not read yet
        std::uint64_t number = 0;
        std::vector<looked_tally> rows;
        milliseconds next_look{0};
    };
    // A transport: its connection, the shipped watch over it, and the position up to which it was received.
    struct link {
        explicit link(milliseconds heartbeat, std::size_t by) : watch{transport_names[by], heartbeat} {}
        wire connection;
        transport_watch watch;
        bool used = false, hushed = false;
        std::size_t position = 0;
        milliseconds hushed_at{0};
        std::string last_heartbeat;
    };
    // What was served last of a tally.
    struct tag {
        std::uint64_t changed_at = 0;
        numbers value{};
    };
    struct forgery {
        std::size_t node;
        std::uint64_t xid;
        bool unseen;  // a change without an event
    };
    struct shown {
        std::string epoch;
        std::uint64_t revision = 0, truth = 0;
        std::size_t by = notify, node = 0, position = 0;  // while it was live
        // By wal, if a reload arrives during a load, the tally shows the truth at the load's fence plus the events
        // until the reload. That is not necessarily a prefix of the stream, whose order is not the order of visibility.
        bool by_fence = false;
        // Forged events that were applied, and changes without an event: a load whose fence contains them corrects that.
        std::vector<forgery> forged{};
        std::array<tag, key_count> tags{};
    };

    // A transaction that a caller waits for.
    struct awaited_write {
        std::size_t tally = 0, node = 0, told_by = notify, position = 0;  // where its last event is in the stream
        std::uint64_t xid = 0;
        std::size_t by = notify;  // the transport whose barrier proves it
        bool asked = false, back = false;
    };

    // event_dispatcher::owner
    void want_load(std::string_view name, load_cause cause) override;
    void give_up_load(std::string const& name) override;
    void want_definitions() override;
    void want_look(std::string const& name) override;
    void applied(cache::event const&) override {}
    void drop(std::string_view) override {}
    bool heartbeat_back(std::size_t by, std::string_view id) override;

    void check_position(cache::tally const& tally, std::uint64_t now) const;
    void check_live(cache::tally const& tally, std::uint64_t now, shown& last) const;
    void check_stopped(cache::tally const& tally, std::uint64_t now, shown& last) const;
    void check_tags(cache::tally const& tally, shown& last) const;
    void check_top(cache::tally& tally, bool exact);
    std::size_t transport_of(cache::tally const& tally) const { return received_.transport_of(tally).value(); }
    link const& link_of(cache::tally const& tally) const { return links_[transport_of(tally)]; }
    transport_watch::time_point now() const noexcept { return transport_watch::time_point{env_.now}; }
    void use_links();
    void connect(std::size_t by);
    void opened(std::size_t by);
    void hear_of_loss(std::size_t by, cache::reason const& why);
    void take_transaction(std::vector<database::entry> const& stream);
    void take_entry(std::size_t by, database::entry const& next);
    void end_turn();

    bool send_heartbeat(std::size_t by);
    void read_definitions();
    void read_look();
    std::string what_source_is(wire const& by, std::size_t tally) const;
    void take_look();
    void take_findings(std::size_t tally);
    findings findings_of(std::size_t tally);
    void reconcile();
    void add_tally(std::size_t tally, meaning const& as);
    void remove_tally(std::size_t tally);

    void ask_writes_again(std::size_t by);
    void send_write_barrier(std::size_t by);
    void look_at_writes();
    bool is_applied(awaited_write& write);

    void give_up_old_loads();
    void wake_loaders();
    void begin_load(loader& mine);
    cache::tally* target_of(loader const& mine);
    cache::tally* wanted(loader& mine);
    void close(loader& mine);
    load_schedule::order leave(loader& mine, bool failed, bool served = false);
    void finish(loader& mine);
    void give_up(loader& mine);
    void fail(loader& mine, std::string const& why, bool permanent, bool other_definition = false);

    void load_step(loader& mine, std::uint32_t luck);
    void connect_loader(loader& mine);
    void begin_transaction(loader& mine);
    void lock_source(loader& mine, std::uint32_t luck);
    void read_source(loader const& mine);
    void take_fence(loader& mine);
    void read_truth(loader& mine);
    void take_rows(loader& mine, std::size_t from, std::size_t to);
    void send_barrier(loader& mine);
    void take_barrier(loader& mine, load_schedule::order const& order, std::string const& id);
    void take_report(loader& mine, std::optional<cache::load_report> report);
    void wait_for_barrier(loader& mine);

    environment& env_;
    std::string name_;
    cache::limits limits_;
    event_dispatcher::tallies tallies_;
    barriers expected_;
    event_dispatcher received_{tallies_, expected_, *this, {transport_names[notify], transport_names[wal]}};
    random chance_;  // for pauses with jitter
    told_schedule schedule_;
    schedule_rules rules_;
    look looks_;
    std::vector<loader> loaders_;
    control_state control_;
    std::array<link, transport_count> links_;

    std::map<std::uint64_t, awaited_write> writes_;
    std::uint64_t last_write_ = 0;
    std::map<std::string, shown, std::less<>> shown_;
    std::vector<std::unique_ptr<client>> clients_;
    std::vector<std::unique_ptr<asker>> askers_;
};

}  // namespace pgtally::sim
