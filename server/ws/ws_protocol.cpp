#include <pgtally/cache/limits.hpp>
#include <pgtally/server/api/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/ws/ws_protocol.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace pgtally::server {

namespace {

// {"type":"snapshot","id":1
std::string opening(std::string_view type, std::string const& id)
{
    std::string out{R"({"type":")"};
    out += type;
    out += '"';
    if (!id.empty()) {
        out += R"(,"id":)";
        out += id;
    }
    return out;
}

std::string snapshot_text(std::string const& id, cache::update const& what, cache::subscription const& from)
{
    auto out = opening("snapshot", id);
    out += ',';
    append_standing(out, *from.of(), what.revision);
    if (what.partial) out += R"(,"partial":true)";
    if (what.more) out += R"(,"more":true)";
    out += ',';
    append_keys(out, what, from);
    out += '}';
    return out;
}

std::string state_text(std::string const& id, cache::tally const& of)
{
    auto out = opening("state", id);
    out += ',';
    append_state(out, of);
    out += '}';
    return out;
}

// The beginning of a text, for a message; cut between characters, not in one.
std::string shortened(std::string const& text)
{
    std::size_t size = 64;
    if (text.size() <= size) return text;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
    return text.substr(0, size) + "…";
}

}  // namespace

ws_protocol::ws_protocol(dependencies around) : around_{std::move(around)} {}

void ws_protocol::receive(std::string_view text)
{
    auto message = decode_client_message(text, *around_.bounds);
    std::visit([this](auto& m) { follow(m); }, message);
}

void ws_protocol::reply(std::string text)
{
    replies_.push_back(std::move(text));
    around_.ready();
}

void ws_protocol::refuse(refusal const& why)
{
    auto out = opening("error", why.id);
    out += R"(,"code":)";
    append_json(out, why.code);
    out += R"(,"message":)";
    append_json(out, why.message);
    out += '}';
    reply(std::move(out));
}

ws_protocol::entry* ws_protocol::find(std::string const& id)
{
    auto const at = entries_.find(id);
    if (at != entries_.end()) return at->second.get();
    refuse({id, "unknown_id", "there is no subscription with this id"});
    return nullptr;
}

void ws_protocol::drop(entry& which)
{
    std::erase(ready_queue_, &which);
    entries_.erase(entries_.find(which.id));
}

// Subscriptions
// ---------------------------------------------------------------------------------------------------------

void ws_protocol::follow(subscribe_message& m)
{
    if (entries_.contains(m.id) || pending_.contains(m.id))
        return refuse({m.id, "duplicate_id", "a subscription with this id exists"});
    if (subscriptions() >= around_.bounds->max_subscriptions) {
        auto const most = std::to_string(around_.bounds->max_subscriptions);
        return refuse({m.id, "too_many_subscriptions", "a connection may have " + most + " subscriptions"});
    }
    auto* const tally = around_.find(m.tally);
    if (tally == nullptr) {
        if (!around_.knows_tallies()) return keep(m);
        return refuse({m.id, "unknown_tally", "there is no tally of this name"});
    }
    cache::subscription::options chosen{.all_keys = !m.keys, .since = std::move(m.since), .interval = m.interval};
    cache::subscriber& owner = *this;
    auto made = std::make_unique<entry>(m.id, *tally, owner, std::move(chosen));
    if (m.keys && !track(made->what, m.id, *m.keys)) return;
    auto& added = *entries_.emplace(m.id, std::move(made)).first->second;
    enqueue(added);
}

// All of the keys, or a refusal and nothing. They are views into `texts`.
std::optional<std::vector<cache::key>> ws_protocol::keys_of(cache::tally const& of, std::string const& id,
                                                            std::vector<std::string> const& texts)
{
    std::vector<cache::key> out;
    out.reserve(texts.size());
    for (auto const& text : texts) {
        auto const key = cache::parse_key(of.definition().kind(), text);
        if (!key) {
            refuse({id, "bad_key", "no value of type " + of.definition().key_type + " prints like " + shortened(text)});
            return std::nullopt;
        }
        out.push_back(*key);
    }
    return out;
}

// All of the keys or none: a client should not have to find out which.
bool ws_protocol::track(cache::subscription& into, std::string const& id, std::vector<std::string> const& keys)
{
    auto const most = into.of()->bounds().max_tracked_keys;
    auto const parsed = keys_of(*into.of(), id, keys);
    if (!parsed) return false;
    auto const& added = *parsed;
    std::size_t fresh = 0;
    auto const by_value = [](cache::key const& a, cache::key const& b) {
        return std::pair{a.number, a.text} < std::pair{b.number, b.text};
    };
    auto const same = [](cache::key const& a, cache::key const& b) { return a.number == b.number && a.text == b.text; };
    auto distinct = added;
    std::sort(distinct.begin(), distinct.end(), by_value);
    distinct.erase(std::unique(distinct.begin(), distinct.end(), same), distinct.end());
    for (auto const& key : distinct) fresh += into.tracks(key) ? 0U : 1U;
    if (into.tracked() + fresh > most) {
        refuse({id, "too_many_keys", "a subscription may name " + std::to_string(most) + " keys"});
        return false;
    }
    for (auto const& key : added) into.track(key);
    return true;
}

void ws_protocol::follow(track_message& m)
{
    if (auto const at = pending_.find(m.id); at != pending_.end()) {
        auto& known = at->second;
        if (!known.what.keys) return refuse({m.id, "bad_message", "this subscription has every key already"});
        if (keep_keys(known, m.keys, known.tracks + 1)) ++known.tracks;
        return;
    }
    auto* const known = find(m.id);
    if (known == nullptr || known->what.dropped()) return;
    if (known->what.all_keys()) return refuse({m.id, "bad_message", "this subscription has every key already"});
    if (!track(known->what, m.id, m.keys)) return;
    known->what.forget_since();
    known->none_tracked |= m.keys.empty();
    enqueue(*known);
}

void ws_protocol::follow(untrack_message& m)
{
    if (auto const at = pending_.find(m.id); at != pending_.end()) {
        if (!at->second.what.keys)
            return refuse({m.id, "bad_message", "this subscription has every key: unsubscribe instead"});
        for (auto const& text : m.keys) at->second.keys.erase(text);
        return;
    }
    auto* const known = find(m.id);
    if (known == nullptr || known->what.dropped()) return;
    if (known->what.all_keys())
        return refuse({m.id, "bad_message", "this subscription has every key: unsubscribe instead"});
    auto const keys = keys_of(*known->what.of(), m.id, m.keys);
    if (!keys) return;
    for (auto const& key : *keys) known->what.untrack(key);
}

void ws_protocol::follow(unsubscribe_message& m)
{
    if (pending_.erase(m.id) == 0) {
        auto* const known = find(m.id);
        if (known == nullptr) return;
        drop(*known);
    }
    reply(opening("unsubscribed", m.id) + '}');
}

void ws_protocol::follow(ping_message&)
{
    reply(R"({"type":"pong"})");
}

// Subscriptions whose tally is not known yet
// ----------------------------------------------------------------------------

void ws_protocol::keep(subscribe_message& m)
{
    auto const id = m.id;
    kept one{.what = std::move(m)};
    if (one.what.keys) {
        auto const keys = std::exchange(*one.what.keys, {});
        if (!keep_keys(one, keys, 0)) return;
    }
    pending_.emplace(id, std::move(one));
    around_.ready();
}

// What can be said of keys without the tally is said now, the rest when it is known. All of them or none.
bool ws_protocol::keep_keys(kept& in, std::vector<std::string> const& keys, std::uint64_t message)
{
    std::set<std::string_view> fresh;
    for (auto const& key : keys) {
        if (!cache::is_text(key)) {
            refuse({in.what.id, "bad_key", "a key is UTF-8 without a NUL"});
            return false;
        }
        if (!in.keys.contains(key)) fresh.insert(key);
    }
    auto const most = cache::limits{}.max_tracked_keys;
    if (in.keys.size() + fresh.size() > most) {
        refuse({in.what.id, "too_many_keys", "a subscription may name " + std::to_string(most) + " keys"});
        return false;
    }
    for (auto const key : fresh) in.keys.emplace(key, message);
    return true;
}

void ws_protocol::on_replicas_changed()
{
    if (pending_.empty()) return;
    if (!around_.knows_tallies()) return around_.ready();
    auto all = std::exchange(pending_, {});
    for (auto& [id, which] : all) begin(which);
}

// Follows the subscribe, and then each track of it, as if they came now.
void ws_protocol::begin(kept& which)
{
    std::map<std::uint64_t, track_message> tracks;
    for (auto const& [key, message] : which.keys) {
        if (message == 0) which.what.keys->push_back(key);
        else tracks.try_emplace(message, track_message{which.what.id, {}}).first->second.keys.push_back(key);
    }
    // The client's point says nothing of keys that it asked for only since.
    if (!tracks.empty()) which.what.since.reset();
    auto const id = which.what.id;
    follow(which.what);
    if (!entries_.contains(id)) return;
    for (auto& [number, message] : tracks) follow(message);
}

bool ws_protocol::next_of_kept(outgoing& out)
{
    if (pending_.empty()) return false;
    auto const failure = around_.failure();
    for (auto& [id, which] : pending_) {
        if (which.told == failure) continue;
        which.told = failure;
        out.head = opening("state", id);
        out.head += failure.empty() ? R"(,"state":"loading")" : R"(,"state":"failed","reason":)";
        if (!failure.empty()) append_json(out.head, failure);
        out.head += '}';
        return true;
    }
    return false;
}

// What to send
// ----------------------------------------------------------------------------------------------------------

void ws_protocol::wake(cache::subscription& which)
{
    for (auto& [id, known] : entries_) {
        if (&known->what == &which) return enqueue(*known);
    }
}

void ws_protocol::enqueue(entry& which)
{
    if (!which.queued) {
        which.queued = true;
        ready_queue_.push_back(&which);
    }
    around_.ready();
}

bool ws_protocol::next(outgoing& out, clock::time_point now)
{
    out.head.clear();
    out.tail.reset();
    out.changes = 0;
    out.conflated = 0;
    if (!replies_.empty()) {
        out.head = std::move(replies_.front());
        replies_.pop_front();
        return true;
    }
    if (next_of_kept(out)) return true;
    while (!ready_queue_.empty()) {
        auto& first = *ready_queue_.front();
        ready_queue_.pop_front();
        first.queued = false;
        if (next_of(first, out, now)) return true;
    }
    return false;
}

bool ws_protocol::next_of(entry& which, outgoing& out, clock::time_point now)
{
    using kind = cache::update::kind;
    which.what.next(update_, now);
    switch (update_.what) {
        case kind::none:
            if (!which.what.of()->has_counters() || !std::exchange(which.none_tracked, false)) return false;
            update_.revision = which.revision;
            out.head = snapshot_text(which.id, update_, which.what);
            break;
        case kind::snapshot:
            which.revision = update_.revision;
            out.head = snapshot_text(which.id, update_, which.what);
            break;
        case kind::state: out.head = state_text(which.id, *which.what.of()); break;
        case kind::change:
            which.revision = update_.revision;
            out.head = opening("change", which.id) + ',';
            out.tail =
                update_.of_all_keys ? around_.shared->text_of(update_, which.what) : encode_change(update_, which.what);
            out.changes = update_.items.size();
            out.conflated = which.what.conflated() - std::exchange(which.conflated, which.what.conflated());
            break;
        case kind::dropped:
            out.head = opening("unsubscribed", which.id) + R"(,"reason":"dropped"})";
            drop(which);
            return true;
    }
    which.queued = true;  // there may be more: it is asked again when its turn comes
    ready_queue_.push_back(&which);
    return true;
}

ws_protocol::clock::time_point ws_protocol::due() const noexcept
{
    auto first = clock::time_point::max();
    for (auto const& [id, known] : entries_) first = std::min(first, known->what.due());
    return first;
}

void ws_protocol::time_is(clock::time_point now)
{
    for (auto& [id, known] : entries_) {
        if (known->what.due() <= now) enqueue(*known);
    }
}

}  // namespace pgtally::server
