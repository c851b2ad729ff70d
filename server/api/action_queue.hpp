#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// An action as a client ordered it.
struct action_order {
    std::string tally, action, key;
    std::optional<std::string> body;  // JSON
};

// An action that waits for a connection.
struct queued_action {
    action_order what;
    std::string transport;  // of its tally
    bool alone = false;     // it failed, or its batch did, and was undone: it runs in a transaction of its own
};

// Decides which actions run in one transaction, and on how many connections. It waits for nothing.
//
// Model: actions wait in the order of their arrival. `take` returns the first, and those behind it that can share its
// transaction, up to a batch: the tallies of a batch have one transport, so that one barrier proves all of them. An
// action that is put back waits before all others, and runs alone.
class action_queue {
public:
    using item = std::shared_ptr<queued_action>;

    // `most`: more are refused. `share`: so many are worth a connection of their own.
    action_queue(std::size_t most, std::size_t share) : most_{most}, share_{share} {}

    // Returns false if the queue is full.
    bool add(item one);

    // Of a batch that was undone, or of actions in it. They are never too many: they were in the queue before.
    void put_back(std::vector<item> const& undone);

    // Returns false if it is not in the queue.
    bool remove(item const& one);

    std::vector<item> take(std::size_t batch);

    // Whether those that wait are worth one more connection, while `busy` connections run actions and `coming` are about to
    // take some of these.
    bool wants_connection(std::size_t busy, std::size_t coming) const noexcept;

    bool empty() const noexcept { return waiting_.empty(); }
    std::size_t size() const noexcept { return waiting_.size(); }

private:
    std::size_t const most_, share_;
    std::deque<item> waiting_;
};

}  // namespace pgtally::server
