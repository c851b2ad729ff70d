#pragma once

// What a client may read and do.
//
// Model: rules by tally, of a token's claim `pgtally` and of --public. A rule without keys gives the whole tally. One with
// keys or a prefix gives those keys, and nothing that says something about others: no top, no sum, no rank, no "every key".
// An action needs a right of its own, and that its key may be read, because the answer has the key's counters: so a token for
// the keys of one person acts on the keys of that person only.
//
// Guarantee: without a token, a tally that may not be read is answered as one that does not exist; so is one that a token
// does not name.
//
// No clock, no token: pure.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The answer to a client that wants something.
enum class access {
    allowed,
    no_token,     // 401: perhaps with a token
    hidden,       // 404: the token gives nothing of this tally
    not_allowed,  // 403: the token gives other things of this tally
};

class rights {
public:
    // Of a client that presents no token, before any rule is added: nothing.
    rights() = default;

    static std::shared_ptr<rights const> nothing();

    // Everything: of operators, and of everybody if the server has no keys.
    static std::shared_ptr<rights const> everything();

    // Adds rules. The tally `*` is every one.
    void add_tally(std::string tally);
    void add_keys(std::string tally, std::vector<std::string> keys);
    void add_prefix(std::string tally, std::string prefix);
    void add_action(std::string tally, std::string action);  // the action `*` is every one
    void add_public(std::vector<std::string> const& tallies);

    // These are the rights of a token: a refusal is not `no_token`.
    void set_by_token() noexcept { by_token_ = true; }
    bool by_token() const noexcept { return by_token_; }

    // Of a tally: that it exists, its state and its definition; all of it; a key's counters; an action for a key.
    access to_tally(std::string_view tally) const;
    access to_whole(std::string_view tally) const;
    access to_key(std::string_view tally, std::string_view key) const;
    access to_act(std::string_view tally, std::string_view action, std::string_view key) const;

    bool reads_nothing() const noexcept { return reads_.empty(); }

    // Whether every tally may be read whole, also those that do not exist yet.
    bool reads_everything() const;

private:
    struct rule {
        bool whole = false;
        std::vector<std::string> prefixes{};
        std::set<std::string, std::less<>> keys{};
    };

    template <class Test>
    bool any_rule(std::string_view tally, Test test) const;
    access refusal_of(std::string_view tally) const;
    bool acts(std::string_view tally, std::string_view action) const;

    std::map<std::string, rule, std::less<>> reads_;
    std::map<std::string, std::set<std::string, std::less<>>, std::less<>> acts_;
    bool by_token_ = false;
};

}  // namespace pgtally::server
