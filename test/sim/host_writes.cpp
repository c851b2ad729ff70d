// What applied.cpp does: read your writes.

#include "host.hpp"

#include <memory>
#include <utility>

namespace pgtally::sim {

// A caller waits for the last transaction of which it knows that it committed.
void host::await_write(std::size_t tally)
{
    auto const& last = env_.current().last_write(tally);
    auto const* const known = find(tally_name(tally));
    if (last.xid == 0) return;
    env_.tell(name_, ": a caller waits for ", last.xid, " to be applied to ", tally_name(tally));
    awaited_write write;
    write.tally = tally;
    write.xid = last.xid;
    write.told_by = last.by;
    write.position = last.position;
    write.node = env_.named;
    write.by = known == nullptr ? notify : transport_of(*known);
    write.back = env_.broken == flaw::applied;
    writes_.emplace(++last_write_, write);
    look_at_writes();
}

// If the transport was lost, the barriers that were sent may be lost too.
void host::ask_writes_again(std::size_t by)
{
    for (auto& [number, write] : writes_) {
        if (write.by == by) write.asked = false;
    }
}

// Sends one barrier for all writes that this statement sees as ended and that a barrier by this transport proves.
void host::send_write_barrier(std::size_t by)
{
    auto& c = control_.connection;
    auto const seen = c.at().look();
    std::vector<std::uint64_t> ended;
    for (auto const& [number, write] : writes_) {
        bool const due = write.by == by && !write.asked && !write.back && write.node == c.number();
        if (due && seen.sees(write.xid)) ended.push_back(number);
    }
    if (ended.empty()) return;
    auto const back = [this, ended, by](std::size_t) {
        for (auto const number : ended) {
            auto const at = writes_.find(number);
            if (at != writes_.end() && at->second.by == by) at->second.back = true;
        }
    };
    auto const id = expected_.expect(back, by);
    if (!c.at().send(by, barriers::payload(id))) {
        expected_.forget(id);  // the statement waits for a commit
        return;
    }
    for (auto const number : ended) writes_.at(number).asked = true;
}

void host::look_at_writes()
{
    for (auto at = writes_.begin(); at != writes_.end();) at = is_applied(at->second) ? writes_.erase(at) : ++at;
}

// Whether the server reports the write as applied. If so, the served counters must contain it. After a failover it is
// unknown whether the transaction survived.
bool host::is_applied(awaited_write& write)
{
    auto const* const tally = find(tally_name(write.tally));
    if (tally == nullptr) return false;
    auto const by = transport_of(*tally);
    if (write.by != by) {
        write.by = by;
        write.asked = write.back = false;
    }
    auto const& from = links_[by];
    bool const live = tally->state() == cache::state::live;
    if (!(live && write.back) && !tally->load_contains(cache::xid{write.xid})) return false;
    bool const same_stream = write.told_by == by && from.connection.number() == write.node;
    if (live && same_stream && from.position < write.position) {
        throw violation{name_ + " says that " + std::to_string(write.xid) + " is applied to " +
                        tally->definition().name + ", but it is not"};
    }
    return true;
}

}  // namespace pgtally::sim
