#pragma once

#include <string>
#include <vector>

namespace pgtally {

// What is wrong with a tally, as the database sees it: a row of `tally.findings(name)`.
struct finding {
    std::string kind;     // a word that does not change, for instance "missing_trigger"
    std::string subject;  // what it concerns, for instance a table
    std::string message, remedy;
    bool fails = false;  // the counters cannot be trusted, and a load does not cure it

    // The sentence for people.
    std::string text() const { return remedy.empty() ? message : message + "; remedy: " + remedy; }

    // Whether `tally.reload` cures it without a decision. If the source is lost, it is for people to say whether the
    // table that has its name now is meant.
    bool cured_by_reload() const noexcept
    {
        return kind != "source_lost" && remedy.starts_with("select tally.reload(");
    }

    friend bool operator==(finding const&, finding const&) = default;
};

using findings = std::vector<finding>;

// What is new between two lists of findings of one tally.
struct findings_news {
    findings appeared, gone;
};

findings_news news_of(findings const& before, findings const& now);

}  // namespace pgtally
