#include <pgtally/server/auth/rights.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::string_view every = "*";

}  // namespace

std::shared_ptr<rights const> rights::nothing()
{
    static auto const none = std::make_shared<rights const>();
    return none;
}

std::shared_ptr<rights const> rights::everything()
{
    static auto const all = [] {
        auto out = std::make_shared<rights>();
        out->add_tally(std::string{every});
        out->add_action(std::string{every}, std::string{every});
        return std::shared_ptr<rights const>{std::move(out)};
    }();
    return all;
}

void rights::add_tally(std::string tally)
{
    reads_[std::move(tally)].whole = true;
}

void rights::add_keys(std::string tally, std::vector<std::string> keys)
{
    auto& of = reads_[std::move(tally)];
    for (auto& key : keys) of.keys.insert(std::move(key));
}

void rights::add_prefix(std::string tally, std::string prefix)
{
    reads_[std::move(tally)].prefixes.push_back(std::move(prefix));
}

void rights::add_action(std::string tally, std::string action)
{
    acts_[std::move(tally)].insert(std::move(action));
}

void rights::add_public(std::vector<std::string> const& tallies)
{
    for (auto const& name : tallies) add_tally(name);
}

// Whether the test holds for a rule of the tally, or of every one.
template <class Test>
bool rights::any_rule(std::string_view tally, Test test) const
{
    auto const holds = [&](std::string_view name) {
        auto const at = reads_.find(name);
        return at != reads_.end() && test(at->second);
    };
    return holds(every) || holds(tally);
}

access rights::refusal_of(std::string_view tally) const
{
    if (!by_token_) return access::no_token;
    bool const named = any_rule(tally, [](rule const&) { return true; });
    return named ? access::not_allowed : access::hidden;
}

access rights::to_tally(std::string_view tally) const
{
    bool const named = any_rule(tally, [](rule const&) { return true; });
    return named ? access::allowed : refusal_of(tally);
}

access rights::to_whole(std::string_view tally) const
{
    bool const whole = any_rule(tally, [](rule const& one) { return one.whole; });
    return whole ? access::allowed : refusal_of(tally);
}

access rights::to_key(std::string_view tally, std::string_view key) const
{
    bool const readable = any_rule(tally, [key](rule const& one) {
        auto const begins = [key](std::string const& prefix) { return key.starts_with(prefix); };
        return one.whole || one.keys.contains(key) || std::any_of(one.prefixes.begin(), one.prefixes.end(), begins);
    });
    return readable ? access::allowed : refusal_of(tally);
}

bool rights::acts(std::string_view tally, std::string_view action) const
{
    auto const holds = [&](std::string_view name) {
        auto const at = acts_.find(name);
        return at != acts_.end() && (at->second.contains(every) || at->second.contains(action));
    };
    return holds(every) || holds(tally);
}

access rights::to_act(std::string_view tally, std::string_view action, std::string_view key) const
{
    auto const read = to_key(tally, key);
    if (read != access::allowed || acts(tally, action)) return read;
    return by_token_ ? access::not_allowed : access::no_token;
}

bool rights::reads_everything() const
{
    auto const at = reads_.find(every);
    return at != reads_.end() && at->second.whole;
}

}  // namespace pgtally::server
