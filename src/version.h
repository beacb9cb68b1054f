/*
 * version.h
 *		Is the library the one that the extension's objects were made for?
 */
#ifndef ACCUM_VERSION_H
#define ACCUM_VERSION_H

extern void accum_version_check(void);

#endif							/* ACCUM_VERSION_H */
