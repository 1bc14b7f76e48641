//! The debug sections that readers borrow, already decompressed and relocated.

use gimli::Endianity;

/// Section contents; a section that the file does not have is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sections<'a> {
    /// `.debug_info` (DWARF5 7.5.1)
    pub info: &'a [u8],
    /// `.debug_abbrev` (DWARF5 7.5.3)
    pub abbrev: &'a [u8],
    /// `.debug_str`
    pub str: &'a [u8],
    /// `.debug_line_str`
    pub line_str: &'a [u8],
    /// `.debug_str_offsets` (DWARF5 7.26)
    pub str_offsets: &'a [u8],
    /// `.debug_addr` (DWARF5 7.27)
    pub addr: &'a [u8],
    /// `.debug_loclists` (DWARF5 7.29)
    pub loclists: &'a [u8],
    /// `.debug_rnglists` (DWARF5 7.28)
    pub rnglists: &'a [u8],
    /// `.debug_loc` (DWARF4 7.7.3)
    pub loc: &'a [u8],
    /// `.debug_ranges` (DWARF4 7.23)
    pub ranges: &'a [u8],
}

impl<'a> Sections<'a> {
    /// gimli's reader of location lists, of all versions.
    pub fn location_lists<E: Endianity>(&self, endian: E) -> gimli::LocationLists<gimli::EndianSlice<'a, E>> {
        let old = gimli::DebugLoc::new(self.loc, endian);
        gimli::LocationLists::new(old, gimli::DebugLocLists::new(self.loclists, endian))
    }

    /// gimli's reader of range lists, of all versions.
    pub fn range_lists<E: Endianity>(&self, endian: E) -> gimli::RangeLists<gimli::EndianSlice<'a, E>> {
        let old = gimli::DebugRanges::new(self.ranges, endian);
        gimli::RangeLists::new(old, gimli::DebugRngLists::new(self.rnglists, endian))
    }

    /// gimli's reader of the address table.
    pub fn addresses<E: Endianity>(&self, endian: E) -> gimli::DebugAddr<gimli::EndianSlice<'a, E>> {
        gimli::DebugAddr::from(gimli::EndianSlice::new(self.addr, endian))
    }
}
