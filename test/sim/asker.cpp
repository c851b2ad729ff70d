#include "asker.hpp"

#include <algorithm>
#include <variant>
#include <vector>

namespace pgtally::sim {

namespace {

using row = cache::answer::row;

std::vector<row> ranked_rows(cache::tally const& of, std::size_t counter)
{
    auto const as = meaning_of(of);
    std::vector<row> out;
    for (std::size_t key = 0; key < key_count; ++key) {
        auto const value = counters_of(of, as, key);
        if (value == numbers{}) continue;
        auto& one = out.emplace_back();
        one.key = key_text(as, key);
        one.counters.assign(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(as.width()));
    }
    std::ranges::sort(out, [&](row const& a, row const& b) {
        if (a.counters[counter] != b.counters[counter]) return a.counters[counter] > b.counters[counter];
        return as.text_keys() ? a.key < b.key : std::stoll(a.key) < std::stoll(b.key);
    });
    for (std::size_t i = 0; i < out.size(); ++i) out[i].place = i + 1;
    return out;
}

std::string as_text(std::optional<std::uint64_t> place, std::uint64_t of, std::span<row const> rows,
                    std::vector<cache::wide_sum> const& totals)
{
    auto out = (place ? std::to_string(*place) : std::string{"none"}) + " of " + std::to_string(of) + ':';
    for (auto const& each : rows) {
        out += ' ' + std::to_string(each.place) + ' ' + each.key;
        for (auto const value : each.counters) out += ' ' + std::to_string(value);
        out += ';';
    }
    for (auto const sum : totals) out += ' ' + std::to_string(static_cast<std::int64_t>(sum));
    return out;
}

std::string text_of(cache::question const& about)
{
    if (std::holds_alternative<cache::sum_question>(about)) return "the sum";
    if (auto const* const top = std::get_if<cache::top_question>(&about))
        return "the top " + std::to_string(top->limit) + " by " + top->by;
    auto const& rank = std::get<cache::rank_question>(about);
    return "the rank of " + rank.key + " by " + rank.by + " and " + std::to_string(rank.around) + " around";
}

}  // namespace

std::string naive_answer(cache::tally const& of, cache::question const& about)
{
    auto const& names = of.definition().counters;
    auto const* const by = cache::counter_of(about);
    auto const counter = by == nullptr ? 0 : static_cast<std::size_t>(std::ranges::find(names, *by) - names.begin());
    auto rows = ranked_rows(of, counter);
    if (auto const* const top = std::get_if<cache::top_question>(&about)) {
        rows.resize(std::min(rows.size(), top->limit));
        return as_text({}, 0, rows, {});
    }
    auto const* const rank = std::get_if<cache::rank_question>(&about);
    if (rank == nullptr) {
        std::vector<cache::wide_sum> totals(names.size());
        for (auto const& each : rows)
            for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += each.counters[i];
        return as_text({}, rows.size(), {}, totals);
    }
    auto const at = std::ranges::find(rows, rank->key, &row::key);
    if (at == rows.end()) return as_text({}, rows.size(), {}, {});
    auto const index = static_cast<std::size_t>(at - rows.begin());
    auto const first = index - std::min(index, rank->around);
    auto const last = std::min(rows.size(), index + rank->around + 1);
    return as_text(at->place, rows.size(), std::span{rows}.subspan(first, last - first), {});
}

void asker::change(cache::tally* of, std::uint32_t how)
{
    bool const asks = subscription_ && !subscription_->dropped();
    subscription_.reset();
    if (of != nullptr && (!asks || how % 2 == 0)) ask(*of, how);
}

void asker::ask(cache::tally& of, std::uint32_t how)
{
    auto const as = meaning_of(of);
    auto const& by = of.definition().counters[(how >> 8) % as.width()];
    cache::question about{cache::sum_question{}};
    if ((how >> 4) % 4 == 1) {
        about = cache::rank_question{by, std::string{key_text(as, (how >> 12) % key_count)}, (how >> 16) % 3};
    } else if ((how >> 4) % 4 > 1) {
        about = cache::top_question{by, 1 + (how >> 12) % 4};
    }
    env_.tell(name_, " asks for ", text_of(about), " of ", of.definition().name);
    cache::subscription::options chosen{.asks = std::move(about)};
    subscription_.emplace(of, static_cast<cache::subscriber&>(*this), std::move(chosen));
    epoch_.clear();
    has_.clear();
    pending_ = true;
}

void asker::take()
{
    if (subscription_ && pending_) take_one();
}

cache::update::kind asker::take_one()
{
    subscription_->next(update_, cache::subscription::clock::time_point{env_.now});
    if (update_.what == cache::update::kind::none) pending_ = false;
    else apply(update_);
    return update_.what;
}

void asker::apply(cache::update const& u)
{
    using kind = cache::update::kind;
    if (u.what == kind::dropped) return subscription_.reset();
    if (u.what == kind::state) return;
    if (u.answered == nullptr) throw violation{"an asker was sent no answer"};
    auto const& tally = *subscription_->of();
    auto const& about = *subscription_->asks();
    has_ = as_text(u.answered->place, u.answered->of, u.rows, u.answered->sums);
    env_.tell(name_, " is sent ", has_, " at ", u.revision);
    auto const served = naive_answer(tally, about);
    if (has_ != served)
        throw violation{"an asker was sent \"" + has_ + "\" for " + text_of(about) + ", served is \"" + served + '"'};
    if (tally.epoch() == epoch_ && u.revision < revision_) throw violation{"an asker's revision went back"};
    epoch_ = tally.epoch();
    revision_ = u.revision;
}

void asker::check()
{
    for (int messages = 0; subscription_ && take_one() != cache::update::kind::none; ++messages) {
        if (messages > 1000) throw violation{"an asker is sent messages without end"};
    }
    if (!subscription_ || !subscription_->of()->has_counters()) return;
    auto const served = naive_answer(*subscription_->of(), *subscription_->asks());
    if (has_ != served) {
        throw violation{"an asker has \"" + has_ + "\" for " + text_of(*subscription_->asks()) + ", served is \"" +
                        served + '"'};
    }
}

}  // namespace pgtally::sim
