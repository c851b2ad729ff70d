#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/auth/claims.hpp>
#include <pgtally/server/auth/jwt.hpp>

#include <utility>

namespace pgtally::server {

authority::authority(auth_options const& chosen, limits const& bounds)
    : chosen_{chosen}, bounds_{bounds}, keys_{key_set::of_files(chosen.key_files, bounds)}
{
    if (!requires_tokens()) {
        anybody_ = permit::everything();
        return;
    }
    auto given = std::make_shared<rights>();
    given->add_public(chosen.public_tallies);
    anybody_.may = std::move(given);
}

std::variant<permit, token_fault> authority::judge(std::string_view token, std::chrono::sys_seconds now) const
{
    auto out = judged(token, now);
    if (auto const* const fault = std::get_if<token_fault>(&out)) refused_.add(*fault);
    return out;
}

std::variant<permit, token_fault> authority::judged(std::string_view token, std::chrono::sys_seconds now) const
{
    auto const parts = split_token(token, bounds_);
    if (auto const* const fault = std::get_if<token_fault>(&parts)) return *fault;
    auto const& said = std::get<jwt>(parts);
    if (auto const fault = keys_.verify(said)) return *fault;
    claims_wanted const wanted{chosen_.audience, chosen_.issuer, bounds_.token_leeway};
    auto read = read_claims(said.payload, wanted, now);
    if (auto const* const fault = std::get_if<token_fault>(&read)) return *fault;
    auto& good = std::get<claims>(read);
    good.gives.add_public(chosen_.public_tallies);
    return permit{std::make_shared<rights const>(std::move(good.gives)), good.until};
}

std::chrono::sys_seconds authority::end_of(permit const& what) const noexcept
{
    return what.until == permit::for_ever ? what.until : what.until + bounds_.token_leeway;
}

std::size_t authority::read_keys()
{
    keys_ = key_set::of_files(chosen_.key_files, bounds_);
    return keys_.size();
}

}  // namespace pgtally::server
