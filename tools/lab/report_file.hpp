#pragma once

#include <stdexcept>
#include <string>

namespace pgtally::lab {

/// A file that is there whole or not at all: written under another name in the same folder, and renamed. A file of its
/// name is replaced then, and not before.
class report_file {
public:
    /// Makes the other file, so that a place which cannot be written is known before there is anything to write. Throws
    /// std::runtime_error: what cannot be written and why.
    explicit report_file(std::string path);

    report_file(report_file const&) = delete;
    report_file& operator=(report_file const&) = delete;

    /// What was not kept is gone.
    ~report_file();

    /// Writes it and gives it its name; once. Throws std::runtime_error.
    void keep(std::string const& text);

    [[nodiscard]] std::string const& path() const noexcept { return path_; }

private:
    [[noreturn]] void fail(int why) const;

    std::string path_;
    std::string other_;
    int file_ = -1;
};

}  // namespace pgtally::lab
