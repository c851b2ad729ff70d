#include <pgtally/server/push/client_subscriptions.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace pgtally::server {

namespace {

// The beginning of a text, for a message; cut between characters, not inside one.
std::string shortened(std::string const& text)
{
    std::size_t size = 64;
    if (text.size() <= size) return text;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
    return text.substr(0, size) + "…";
}

struct parsed_keys {
    std::vector<cache::key> keys{};  // views into the texts
    std::optional<refusal> refused{};
};

// Names the key if it is UTF-8, for JSON can have no other text.
refusal not_text(std::string const& id, std::string const& key)
{
    refusal out{id, "bad_key", "a key is UTF-8 without a NUL"};
    auto without_nul = key;
    std::erase(without_nul, '\0');
    if (cache::is_text(without_nul)) out.key = key;
    return out;
}

parsed_keys keys_of(cache::tally const& of, std::string const& id, std::vector<std::string> const& texts)
{
    parsed_keys out;
    out.keys.reserve(texts.size());
    for (auto const& text : texts) {
        auto const key = cache::parse_key(of.definition().kind(), text);
        if (!key) {
            auto why = "no value of type " + of.definition().key_type + " prints like " + shortened(text);
            out.refused = cache::is_text(text) ? refusal{id, "bad_key", std::move(why), text} : not_text(id, text);
            return out;
        }
        out.keys.push_back(*key);
    }
    return out;
}

std::vector<cache::key> distinct(std::vector<cache::key> keys)
{
    auto const by_value = [](cache::key const& a, cache::key const& b) {
        return std::pair{a.number, a.text} < std::pair{b.number, b.text};
    };
    auto const same = [](cache::key const& a, cache::key const& b) { return a.number == b.number && a.text == b.text; };
    std::sort(keys.begin(), keys.end(), by_value);
    keys.erase(std::unique(keys.begin(), keys.end(), same), keys.end());
    return keys;
}

refusal too_many_keys(std::string const& id, std::size_t most)
{
    return {id, "too_many_keys", "a subscription may name " + std::to_string(most) + " keys"};
}

refusal has_every_key(std::string const& id)
{
    return {id, "bad_message", "this subscription has every key already"};
}

refusal cannot_untrack(std::string const& id)
{
    return {id, "bad_message", "this subscription has every key: unsubscribe instead"};
}

refusal has_no_keys(std::string const& id)
{
    return {id, "bad_message", "this subscription follows a top, a sum or a rank: it has no keys to track"};
}

// Why the tally cannot answer a question; nothing if it can.
std::optional<refusal> refuse(cache::question const& what, cache::tally const& of, std::string const& id)
{
    auto const& names = of.definition().counters;
    auto const* const by = cache::counter_of(what);
    if (by != nullptr && std::ranges::find(names, *by) == names.end())
        return refusal{id, "unknown_counter", "the tally has no counter of this name"};
    auto const* const rank = std::get_if<cache::rank_question>(&what);
    return rank == nullptr ? std::nullopt : keys_of(of, id, {rank->key}).refused;
}

refusal unknown_tally(std::string const& id)
{
    return {id, "unknown_tally", "there is no tally of this name"};
}

refusal unknown_id(std::string const& id)
{
    return {id, "unknown_id", "there is no subscription with this id"};
}

}  // namespace

client_subscriptions::client_subscriptions(tally_directory& tallies, limits const& bounds, audience who,
                                           std::shared_ptr<rights const> may, std::function<void()> ready)
    : tallies_{tallies}, bounds_{bounds}, who_{who}, may_{std::move(may)}, ready_{std::move(ready)}
{
}

client_subscriptions::entry* client_subscriptions::find(std::string const& id)
{
    auto const at = entries_.find(id);
    return at == entries_.end() ? nullptr : at->second.get();
}

void client_subscriptions::drop(entry& which)
{
    ready_queue_.remove_if([&which](entry const* each) { return each == &which; });
    entries_.erase(entries_.find(which.id));
}

// Requests
// ---------------------------------------------------------------------------------------------------------------

std::optional<refusal> client_subscriptions::subscribe(subscribe_request what)
{
    if (entries_.contains(what.id) || pending_.contains(what.id))
        return refusal{what.id, "duplicate_id", "a subscription with this id exists"};
    if (size() >= bounds_.max_subscriptions) {
        auto const most = std::to_string(bounds_.max_subscriptions);
        return refusal{what.id, "too_many_subscriptions", "a connection may have " + most + " subscriptions"};
    }
    if (auto refused = refuse_rights(what)) return refused;
    auto* const tally = tallies_.find(what.tally);
    if (tally == nullptr) {
        if (!tallies_.knows_tallies()) return keep(std::move(what));
        return unknown_tally(what.id);
    }
    cache::subscription::options chosen{
        .all_keys = !what.keys && !what.asks, .since = std::move(what.since), .interval = what.interval};
    if (what.asks) {
        if (auto refused = refuse(*what.asks, *tally, what.id)) return refused;
        chosen.asks = what.asks;
    }
    cache::subscriber& owner = *this;
    auto made = std::make_unique<entry>(what.id, *tally, owner, std::move(chosen));
    if (what.keys && !what.asks) {
        if (auto refused = track_in(*made, what.id, *what.keys)) return refused;
    }
    auto& added = *entries_.emplace(what.id, std::move(made)).first->second;
    enqueue(added);
    return std::nullopt;
}

// Tracks all of the keys or none, so that a client need not find out which are tracked.
std::optional<refusal> client_subscriptions::track_in(cache::subscription& into, std::string const& id,
                                                      std::vector<std::string> const& keys) const
{
    auto parsed = keys_of(*into.of(), id, keys);
    if (parsed.refused) return std::move(parsed.refused);
    auto const added = distinct(std::move(parsed.keys));
    auto const is_new = [&into](cache::key const& key) { return !into.tracks(key); };
    auto const fresh = static_cast<std::size_t>(std::count_if(added.begin(), added.end(), is_new));
    auto const most = into.of()->bounds().max_tracked_keys;
    if (into.tracked() + fresh > most) return too_many_keys(id, most);
    for (auto const& key : added) into.track(key);
    return std::nullopt;
}

std::optional<refusal> client_subscriptions::track(std::string const& id, std::vector<std::string> const& keys)
{
    if (auto const at = pending_.find(id); at != pending_.end()) {
        auto& known = at->second;
        if (known.what.asks) return has_no_keys(id);
        if (!known.what.keys) return has_every_key(id);
        if (auto forbidden = refuse_keys(id, known.what.tally, keys)) return forbidden;
        auto refused = keep_keys(known, keys, known.tracks + 1);
        if (!refused) ++known.tracks;
        return refused;
    }
    auto* const known = find(id);
    if (known == nullptr) return unknown_id(id);
    if (known->dropped()) return std::nullopt;
    if (known->asks()) return has_no_keys(id);
    if (known->all_keys()) return has_every_key(id);
    if (auto refused = refuse_keys(id, known->of()->definition().name, keys)) return refused;
    if (auto refused = track_in(*known, id, keys)) return refused;
    known->forget_since();
    known->none_tracked |= keys.empty();
    enqueue(*known);
    return std::nullopt;
}

std::optional<refusal> client_subscriptions::untrack(std::string const& id, std::vector<std::string> const& keys)
{
    if (auto const at = pending_.find(id); at != pending_.end()) {
        if (at->second.what.asks) return has_no_keys(id);
        if (!at->second.what.keys) return cannot_untrack(id);
        for (auto const& text : keys) at->second.keys.erase(text);
        return std::nullopt;
    }
    auto* const known = find(id);
    if (known == nullptr) return unknown_id(id);
    if (known->dropped()) return std::nullopt;
    if (known->asks()) return has_no_keys(id);
    if (known->all_keys()) return cannot_untrack(id);
    auto parsed = keys_of(*known->of(), id, keys);
    if (parsed.refused) return std::move(parsed.refused);
    for (auto const& key : parsed.keys) known->untrack(key);
    return std::nullopt;
}

std::optional<refusal> client_subscriptions::unsubscribe(std::string const& id)
{
    if (pending_.erase(id) != 0) return std::nullopt;
    auto* const known = find(id);
    if (known == nullptr) return unknown_id(id);
    drop(*known);
    return std::nullopt;
}

// Subscriptions whose tally is not known yet
// ---------------------------------------------------------------------------------------------------------------

std::optional<refusal> client_subscriptions::keep(subscribe_request what)
{
    auto const id = what.id;
    auto const* const rank = what.asks ? std::get_if<cache::rank_question>(&*what.asks) : nullptr;
    if (rank != nullptr && !cache::is_text(rank->key)) return not_text(id, rank->key);
    waiting one{.what = std::move(what)};
    if (one.what.keys) {
        auto const keys = std::exchange(*one.what.keys, {});
        if (auto refused = keep_keys(one, keys, 0)) return refused;
    }
    pending_.emplace(id, std::move(one));
    ready_();
    return std::nullopt;
}

// Without the tally only the encoding and the number of keys can be judged; `begin` judges the rest. All keys or none.
std::optional<refusal> client_subscriptions::keep_keys(waiting& in, std::vector<std::string> const& keys,
                                                       std::uint64_t request) const
{
    std::set<std::string_view> fresh;
    for (auto const& key : keys) {
        if (!cache::is_text(key)) return not_text(in.what.id, key);
        if (!in.keys.contains(key)) fresh.insert(key);
    }
    auto const most = tallies_.bounds().max_tracked_keys;
    if (in.keys.size() + fresh.size() > most) return too_many_keys(in.what.id, most);
    for (auto const key : fresh) in.keys.emplace(key, request);
    return std::nullopt;
}

void client_subscriptions::on_replicas_changed()
{
    if (pending_.empty()) return;
    if (!tallies_.knows_tallies()) return ready_();
    auto all = std::exchange(pending_, {});
    for (auto& [id, which] : all) begin(which);
}

// Does the subscribe and then each track, as if they came now.
void client_subscriptions::begin(waiting& which)
{
    std::map<std::uint64_t, std::vector<std::string>> tracks;
    for (auto const& [key, request] : which.keys) {
        if (request == 0) which.what.keys->push_back(key);
        else tracks[request].push_back(key);
    }
    // The client's position does not cover keys that it named after it.
    if (!tracks.empty()) which.what.since.reset();
    auto const id = which.what.id;
    report(subscribe(std::move(which.what)));
    if (!entries_.contains(id)) return;
    for (auto& [number, keys] : tracks) report(track(id, keys));
}

void client_subscriptions::report(std::optional<refusal> why)
{
    if (!why) return;
    refused_.push_back(std::move(*why));
    ready_();
}

bool client_subscriptions::next_of_pending(push& out)
{
    if (!refused_.empty()) {
        out.what = push::kind::refused;
        out.why = std::move(refused_.front());
        out.id = out.why.id;
        refused_.pop_front();
        return true;
    }
    if (pending_.empty()) return false;
    auto const why = tallies_.failure();
    std::string const failure{text_for(who_, why)};
    for (auto& [id, which] : pending_) {
        if (which.failure_sent == failure) continue;
        which.failure_sent = failure;
        out.what = push::kind::state;
        out.id = id;
        out.state = failure.empty() ? cache::state::loading : cache::state::failed;
        out.reason = failure;
        return true;
    }
    return false;
}

// What to send
// ---------------------------------------------------------------------------------------------------------------

void client_subscriptions::enqueue(entry& which)
{
    if (!which.queued) {
        which.queued = true;
        ready_queue_.push_back(&which);
    }
    ready_();
}

bool client_subscriptions::next(push& out, clock::time_point now)
{
    out = {};
    if (!ended_.empty()) {
        out.what = push::kind::ended;
        out.id = std::move(ended_.front().id);
        out.reason = std::move(ended_.front().reason);
        ended_.pop_front();
        return true;
    }
    if (next_of_pending(out)) return true;
    while (!ready_queue_.empty()) {
        auto& first = *ready_queue_.front();
        ready_queue_.pop_front();
        first.queued = false;
        if (next_of(first, out, now)) return true;
    }
    return false;
}

bool client_subscriptions::next_of(entry& which, push& out, clock::time_point now)
{
    using kind = cache::update::kind;
    which.next(update_, now);
    out.id = which.id;
    if (update_.what == kind::dropped) {
        out.what = push::kind::dropped;
        drop(which);
        return true;
    }
    if (update_.what == kind::none) {
        if (!which.of()->has_counters() || !std::exchange(which.none_tracked, false)) return false;
        update_.what = kind::snapshot;
        update_.revision = which.revision;
    }
    out.what = push::kind::state;
    if (update_.what != kind::state) {
        out.what = update_.what == kind::change ? push::kind::change : push::kind::snapshot;
        out.from = &which;
        out.update = &update_;
        which.revision = update_.revision;
    }
    if (out.what == push::kind::change) {
        out.conflated = which.conflated() - std::exchange(which.conflated_sent, which.conflated());
    }
    out.epoch = which.of()->epoch();
    out.state = which.of()->state();
    out.reason = text_for(who_, which.of()->reason());
    which.queued = which.none_tracked || which.has_more();
    if (which.queued) ready_queue_.push_back(&which);  // `next` asks it again when its turn comes
    return true;
}

client_subscriptions::clock::time_point client_subscriptions::due() const noexcept
{
    auto first = clock::time_point::max();
    for (auto const& [id, known] : entries_) first = std::min(first, known->due());
    return first;
}

void client_subscriptions::time_is(clock::time_point now)
{
    for (auto& [id, known] : entries_) {
        if (known->due() <= now) enqueue(*known);
    }
}

}  // namespace pgtally::server
