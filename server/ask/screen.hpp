#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pgtally::server {

// The last lines of a terminal, painted again and again in place.
class screen {
public:
    struct size {
        std::size_t lines = 24, columns = 80;
    };

    // Of the terminal at stdout, now.
    static size present();

    // The text that replaces the lines that were painted before. Lines are cut at the width.
    std::string paint(std::vector<std::string> const& lines, size of);

private:
    std::size_t painted_ = 0;
};

}  // namespace pgtally::server
