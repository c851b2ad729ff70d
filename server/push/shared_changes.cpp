#include <pgtally/cache/tally.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/shared_changes.hpp>

namespace pgtally::server {

std::shared_ptr<std::string const> encode_change(cache::update const& what, cache::subscription const& from)
{
    std::string out{R"("revision":)"};
    append_json(out, what.revision);
    out += ',';
    append_values(out, what, from);
    out += '}';
    return std::make_shared<std::string const>(std::move(out));
}

std::shared_ptr<std::string const> shared_changes::text_of(cache::update const& what, cache::subscription const& from)
{
    auto const& epoch = from.of()->epoch();
    for (auto const& known : entries_) {
        if (known.from == what.from && known.revision == what.revision && known.epoch == epoch &&
            known.asks == from.asks())
            return known.text;
    }
    ++encoded_;
    entry made{epoch, what.from, what.revision, from.asks(), encode_change(what, from)};
    if (entries_.size() < most_) {
        entries_.push_back(std::move(made));
        return entries_.back().text;
    }
    if (most_ == 0) return made.text;
    auto& place = entries_[oldest_];
    oldest_ = (oldest_ + 1) % most_;
    place = std::move(made);
    return place.text;
}

}  // namespace pgtally::server
