#pragma once

// What a WebSocket's two ends say to each other.
//
// Model: the client's messages go in (`receive`), the server's come out (`next`), one at a time, when the socket can
// take one. There is no queue of changes: a subscription that has something to send stands in line, and is asked for
// its newest values when its turn comes. Answers to the client's messages are a short queue; while it is full the
// client is not read.
//
// Guarantees: any text is answered, none ends the connection. Memory is bounded by what the client subscribed to and by
// `limits`. A subscription that can send stands in line; it goes to the end after each message, so that none starves.
//
// While the definitions are not known yet, a subscribe is kept as it is, and answered by a state; `turn` follows it
// when they are.
//
// Not promised: that anything is sent. It knows no socket and no clock.

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/ws/client_message.hpp>
#include <pgtally/server/ws/shared_changes.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// A message to the client: the text is `head` followed by `tail`.
struct outgoing {
    std::string head;
    std::shared_ptr<std::string const> tail;
    std::size_t changes = 0;      // values that it pushes
    std::uint64_t conflated = 0;  // changes that were replaced by a newer one before they were sent

    std::size_t size() const noexcept { return head.size() + (tail ? tail->size() : 0); }
};

class ws_protocol final : cache::subscriber {
public:
    using clock = cache::subscription::clock;

    // What it needs of the server.
    struct dependencies {
        std::function<cache::tally*(std::string_view name)> find;
        std::function<bool()> knows_tallies;   // whether their definitions were read
        std::function<std::string()> failure;  // why they cannot be, if waiting does not cure it; else empty
        std::function<void()> ready;           // `next` has something now; called often, also when it had already
        shared_changes* shared = nullptr;
        limits const* bounds = nullptr;
    };

    explicit ws_protocol(dependencies around);

    void receive(std::string_view text);

    // Whether the client should not be read for now.
    bool full() const noexcept { return replies_.size() >= around_.bounds->max_replies; }

    // The next message, taken as sent. False if there is none now.
    bool next(outgoing& out, clock::time_point now);

    // When `next` will have something that an interval holds back; max() if nothing waits for time.
    clock::time_point due() const noexcept;

    // Puts those in line whose time has come.
    void time_is(clock::time_point now);

    // Something happened to the replicas: to be called while there are `pending` subscriptions.
    void on_replicas_changed();

    // Subscriptions that wait until the definitions are known.
    std::size_t pending() const noexcept { return pending_.size(); }

    std::size_t subscriptions() const noexcept { return entries_.size() + pending_.size(); }

private:
    struct entry {
        entry(std::string id_text, cache::tally& of, cache::subscriber& owner, cache::subscription::options chosen)
            : id{std::move(id_text)}, what{of, owner, std::move(chosen)}
        {
        }
        std::string const id;
        cache::subscription what;
        bool queued = false;
        std::uint64_t conflated = 0;  // of `what`, already told
        std::uint64_t revision = 0;   // up to which all that it wants was sent
        bool none_tracked = false;    // a track without keys is to be answered
    };

    struct kept {
        subscribe_message what;  // its keys are below
        // Each with the message that named it: 0 the subscribe, n the n-th track.
        std::map<std::string, std::uint64_t, std::less<>> keys{};
        std::uint64_t tracks = 0;
        std::optional<std::string> told{};  // the failure last told; empty: loading
    };

    void wake(cache::subscription& which) override;
    void enqueue(entry& which);
    void reply(std::string text);
    void refuse(refusal const& why);
    entry* find(std::string const& id);
    void drop(entry& which);

    void follow(subscribe_message& m);
    void follow(track_message& m);
    void follow(untrack_message& m);
    void follow(unsubscribe_message& m);
    void follow(ping_message&);
    void follow(refusal& r) { refuse(r); }

    void keep(subscribe_message& m);
    bool keep_keys(kept& in, std::vector<std::string> const& keys, std::uint64_t message);
    void begin(kept& which);
    bool next_of_kept(outgoing& out);

    std::optional<std::vector<cache::key>> keys_of(cache::tally const& of, std::string const& id,
                                                   std::vector<std::string> const& texts);
    bool track(cache::subscription& into, std::string const& id, std::vector<std::string> const& keys);
    bool next_of(entry& which, outgoing& out, clock::time_point now);

    dependencies around_;
    std::map<std::string, std::unique_ptr<entry>, std::less<>> entries_;
    std::map<std::string, kept, std::less<>> pending_;
    std::deque<entry*> ready_queue_;
    std::deque<std::string> replies_;
    cache::update update_;
};

}  // namespace pgtally::server
