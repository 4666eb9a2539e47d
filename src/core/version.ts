/** This version of the module. */
export const VERSION = "0.1.0";
