#include "client.hpp"

namespace pgtally::sim {

namespace {

constexpr std::uint32_t bit(std::size_t key) noexcept
{
    return 1U << key;
}

}  // namespace

meaning client::of() const
{
    return meaning_of(*subscription_->of());
}

void client::change(cache::tally* tally, std::uint32_t how)
{
    auto const keys = (how >> 8) & 0xff;
    bool const bound = subscription_ && !subscription_->dropped();
    if (!bound) {
        subscription_.reset();
        if (tally != nullptr) join(*tally, how, how % 3 != 0);
        return;
    }
    switch (how % 4) {
        case 0: return leave();
        case 1:
            leave();
            if (tally != nullptr) join(*tally, how, true);
            return;
        case 2:
            if (!all_) track(keys);
            return;
        default:
            if (!all_) untrack(keys);
    }
}

void client::move_to(cache::tally* tally)
{
    if (!subscription_ || subscription_->dropped() || tally == nullptr) return;
    leave();
    join(*tally, 0, true);
}

void client::leave()
{
    subscription_.reset();
    in_parts_ = false;
    env_.tell(name_, " goes away");
}

void client::forget()
{
    had_ = 0;
    point_.reset();
    epoch_.clear();  // without its point a client may find another server behind
}

// Resumes from the client's point with the same keys, or subscribes for the first time.
void client::join(cache::tally& tally, std::uint32_t how, bool resume)
{
    cache::subscription::options chosen;
    bool const resumes = resume && point_;
    if (!resumes) all_ = (how >> 4) % 2 == 0;
    chosen.all_keys = all_;
    if ((how >> 5) % 4 == 0) chosen.interval = milliseconds{250};
    if (resumes) chosen.since = point_;
    else forget();
    env_.tell(name_, " subscribes to ", all_ ? "all of " : "keys of ", tally.definition().name,
              resumes ? " since " + std::to_string(point_->revision) : std::string{});
    joined_at_ = env_.now;
    subscription_.emplace(tally, static_cast<cache::subscriber&>(*this), chosen);
    pending_ = true;
    tracked_ = 0;
    if (!all_) track(resumes ? had_ : (how >> 8) & 0xff);
}

void client::track(std::uint32_t keys)
{
    auto const as = of();
    for (std::size_t key = 0; key < key_count; ++key) {
        if ((keys & bit(key)) == 0) continue;
        if ((had_ & bit(key)) == 0) subscription_->forget_since();
        subscription_->track(as_key(as, key));
        env_.tell(name_, " tracks ", key_text(as, key));
        tracked_ |= bit(key);
    }
    pending_ = true;
}

void client::untrack(std::uint32_t keys)
{
    auto const as = of();
    for (std::size_t key = 0; key < key_count; ++key) {
        if ((keys & tracked_ & bit(key)) == 0) continue;
        subscription_->untrack(as_key(as, key));
        env_.tell(name_, " leaves ", key_text(as, key));
        tracked_ &= ~bit(key);
        had_ &= ~bit(key);
    }
}

void client::take()
{
    cache::subscription::clock::time_point const now{env_.now};
    if (!subscription_ || (!pending_ && subscription_->due() > now)) return;
    take_one(now);
}

cache::update::kind client::take_one(cache::subscription::clock::time_point now)
{
    subscription_->next(update_, now);
    waited_ = now.time_since_epoch() - joined_at_ >= cache::limits{}.since_patience;
    if (update_.what == cache::update::kind::none) pending_ = false;
    else apply(update_);
    return update_.what;
}

void client::apply(cache::update const& u)
{
    using kind = cache::update::kind;
    static constexpr char const* names[]{"", "a snapshot", "a change", "the state", "that its tally is no more"};
    env_.tell(name_, " is sent ", u.partial ? "a part of " : "", names[static_cast<std::size_t>(u.what)], " with ",
              u.items.size(), " keys, at ", u.revision);
    if (u.what == kind::dropped) return leave();
    if (u.what == kind::state) return;
    auto const& tally = *subscription_->of();
    // Another server that is behind, and stays it, sends everything.
    bool const waited = u.what == kind::snapshot && !u.partial && waited_;
    if (tally.epoch() == epoch_ && u.revision < revision_ && !waited)
        throw violation{"a subscriber's revision went back"};
    if (u.items.size() > tally.bounds().max_keys_in_message && all_) throw violation{"a message is too long"};
    bool const whole = u.what == kind::snapshot && !u.partial;
    // All parts of a snapshot have one revision.
    bool const goes_on = in_parts_ && parts_epoch_ == tally.epoch() && revision_ == u.revision;
    if (all_ && whole && !goes_on) values_ = {};
    if (all_) had_ = 0xff;
    in_parts_ = u.more;
    parts_epoch_ = epoch_ = tally.epoch();
    apply_values(u);
    revision_ = u.revision;
    if (!u.more) point_ = cache::since_point{epoch_, u.revision};
    else point_.reset();
}

void client::apply_values(cache::update const& u)
{
    auto const& table = subscription_->of()->table();
    auto const as = of();
    std::string text;
    for (auto const& item : u.items) {
        text.clear();
        subscription_->append_key(item, text);
        std::size_t key = 0;
        while (key < key_count && key_text(as, key) != text) ++key;
        if (key == key_count) throw violation{"a subscriber was sent a key that nobody counted: " + text};
        numbers value{};
        if (item.row != cache::counter_table::none) {
            auto const row = table.counters(item.row);
            value = {row[0], row.size() > 1 ? row[1] : 0};
        }
        if (!all_ && (tracked_ & bit(key)) == 0) throw violation{"a subscriber was sent a key that it does not track"};
        values_[key] = value;
        had_ |= bit(key);
    }
}

void client::check()
{
    if (!subscription_) return;
    auto now = cache::subscription::clock::time_point{env_.now};
    if (pending_ || subscription_->due() != now.max()) {
        for (int messages = 0; subscription_; ++messages) {
            if (messages > 1000) throw violation{"a subscriber is sent messages without end"};
            if (take_one(now) != cache::update::kind::none) continue;
            if (subscription_->due() == now.max()) break;
            now = subscription_->due();
        }
    }
    if (!subscription_ || subscription_->dropped()) return;
    auto const& tally = *subscription_->of();
    if (!tally.has_counters()) return;  // no values are sent before the first load
    auto const as = of();
    for (std::size_t key = 0; key < key_count; ++key) {
        if (!all_ && (tracked_ & bit(key)) == 0) continue;
        auto const served = counters_of(tally, as, key);
        if (values_[key] == served) continue;
        throw violation{"a subscriber has " + std::to_string(values_[key][0]) + "," + std::to_string(values_[key][1]) +
                        " for key " + std::string{key_text(as, key)} + " of " + tally.definition().name +
                        ", served is " + std::to_string(served[0]) + "," + std::to_string(served[1])};
    }
}

}  // namespace pgtally::sim
