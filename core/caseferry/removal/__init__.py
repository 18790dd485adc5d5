"""Removing from files what identifies a patient, on their way: pixels stay byte for byte, and files as they were lie.

What is removed is what the gate names (`caseferry.deidentify`) and, in a file from which something is removed, what
is likely to repeat it: the preamble of DICOM and everything behind its pixels, all of EXIF, XMP and IPTC in a picture.
Removing is no de-identification by any profile: what the gate lets pass stays, dates of the study, institutions,
devices and UIDs among it, and PatientIdentityRemoved is left as it is.
"""
