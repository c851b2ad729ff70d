#pragma once

// The subscriptions of one client, whichever protocol carries them.
//
// Model: the caller passes requests in, and calls `next` for one push at a time, when the connection can take one.
// There is no queue of changes. A subscription that has something to send waits in a queue of subscriptions; when its
// turn comes, it sends its newest values. If it may have more, it moves to the end, so that no subscription starves another.
//
// If the definitions are not known yet, a subscribe stays pending and a state answers it. Once they are known,
// `on_replicas_changed` begins the subscription. If it is refused then, the error is a push of kind `refused`.
//
// Guarantees: the client's subscriptions and `limits` bound the memory. A request is done or refused as a whole.
//
// Not promised: that anything is sent. This class knows no socket, no protocol and no clock.
//
// What the client may read is judged when it subscribes, and again whenever that changes: then the subscriptions that are not
// allowed any more end, each with a push.
//
// Lifetime: the directory and the limits outlive it; tallies may end before it.
//
// Threads: one.

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/server/auth/rights.hpp>
#include <pgtally/server/base/audience.hpp>
#include <pgtally/server/base/fifo.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/push/push.hpp>
#include <pgtally/server/push/requests.hpp>
#include <pgtally/server/push/tally_directory.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

class client_subscriptions final : cache::subscriber {
public:
    using clock = cache::subscription::clock;

    // `ready` is called whenever `next` may have something, also repeatedly for the same push.
    client_subscriptions(tally_directory& tallies, limits const& bounds, audience who,
                         std::shared_ptr<rights const> may, std::function<void()> ready);
    client_subscriptions(client_subscriptions const&) = delete;
    client_subscriptions& operator=(client_subscriptions const&) = delete;

    // Requests. Each returns why it is refused, or nothing if it is done.
    std::optional<refusal> subscribe(subscribe_request what);
    std::optional<refusal> track(std::string const& id, std::vector<std::string> const& keys);
    std::optional<refusal> untrack(std::string const& id, std::vector<std::string> const& keys);
    std::optional<refusal> unsubscribe(std::string const& id);

    // Changes what the client may read. Subscriptions that it may not have any more end, with this reason.
    void restrict_to(std::shared_ptr<rights const> may, std::string_view reason);

    // The next push; the caller sends it. False if there is none now.
    bool next(push& out, clock::time_point now);

    // When the first push that an interval holds back becomes due; max() if no push is held back.
    clock::time_point due() const noexcept;

    // Enqueues the subscriptions that are due.
    void time_is(clock::time_point now);

    // Call it when the replicas changed and there are pending subscriptions.
    void on_replicas_changed();

    // Subscriptions that wait until the definitions are known.
    std::size_t pending() const noexcept { return pending_.size(); }

    // Those that ended count until the client was sent that.
    std::size_t size() const noexcept { return entries_.size() + pending_.size() + ended_.size(); }

private:
    struct entry : cache::subscription {
        entry(std::string id_text, cache::tally& of, cache::subscriber& owner, cache::subscription::options chosen)
            : cache::subscription{of, owner, std::move(chosen)}, id{std::move(id_text)}
        {
        }
        std::string const id;
        bool queued = false;
        std::uint64_t conflated_sent = 0;  // of `conflated()`, already in a push
        std::uint64_t revision = 0;        // all changes up to this one were sent
        bool none_tracked = false;         // a track without keys waits for its answer
    };

    struct waiting {
        subscribe_request what;  // its keys are below
        // Each key with the request that named it: 0 the subscribe, n the n-th track.
        std::map<std::string, std::uint64_t, std::less<>> keys{};
        std::uint64_t tracks = 0;
        std::optional<std::string> failure_sent{};  // the last one; empty: loading
    };

    void wake(cache::subscription& which) override { enqueue(static_cast<entry&>(which)); }
    void enqueue(entry& which);
    void drop(entry& which);
    entry* find(std::string const& id);

    struct end {
        std::string id, reason;
    };

    bool may_keep(entry const& which) const;
    bool may_keep(waiting const& which) const;
    std::optional<refusal> refuse_keys(std::string const& id, std::string const& tally,
                                       std::vector<std::string> const& keys) const;
    std::optional<refusal> refuse_rights(subscribe_request const& what) const;
    std::optional<refusal> keep(subscribe_request what);
    std::optional<refusal> keep_keys(waiting& in, std::vector<std::string> const& keys, std::uint64_t request) const;
    void begin(waiting& which);
    void report(std::optional<refusal> why);
    std::optional<refusal> track_in(cache::subscription& into, std::string const& id,
                                    std::vector<std::string> const& keys) const;

    bool next_of_pending(push& out);
    bool next_of(entry& which, push& out, clock::time_point now);

    tally_directory& tallies_;
    limits const& bounds_;
    audience who_;
    std::shared_ptr<rights const> may_;
    std::function<void()> ready_;
    std::map<std::string, std::unique_ptr<entry>, std::less<>> entries_;
    std::map<std::string, waiting, std::less<>> pending_;
    fifo<end> ended_;        // what the client may not read any more
    fifo<refusal> refused_;  // what was pending and cannot begin
    fifo<entry*> ready_queue_;
    cache::update update_;
};

}  // namespace pgtally::server
