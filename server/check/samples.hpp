#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::server {

// The metrics of a server, as values.
class samples {
public:
    using labels = std::map<std::string, std::string, std::less<>>;
    using label = std::pair<std::string_view, std::string_view>;

    // Reads the text format of Prometheus ("Exposition formats", version 0.0.4). Nothing if the text is not that.
    static std::optional<samples> parse(std::string_view text);

    // The sum of the series of this name that have the label, or of all of them; nothing if there is none.
    std::optional<double> sum(std::string_view name, label having = {}) const;

    // The same, 0 if there is none.
    double total(std::string_view name, label having = {}) const { return sum(name, having).value_or(0); }

    // The sum of the series that have both labels; nothing if there is none.
    std::optional<double> of_tally(std::string_view name, std::string_view tally, label having = {}) const;

    // The value of a label, of any series of this name; empty if there is none.
    std::string label_of(std::string_view name, std::string_view of) const;

    // An upper bound of the value that `part` of the observations of a histogram do not exceed, by its buckets: infinity
    // if it is in the last one, nothing without observations.
    std::optional<double> quantile(std::string_view histogram, double part) const;

private:
    struct sample {
        std::string name;
        labels of;
        double value = 0;
    };

    static std::optional<sample> parse_line(std::string_view line);

    std::vector<sample> all_;
};

}  // namespace pgtally::server
